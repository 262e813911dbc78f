"""Explains what to install if a package is missing. Imports only the standard library."""

from __future__ import annotations

import re
from importlib import metadata

ROS_MISSING = (
    "this needs ROS 2: run '. /opt/ros/<distribution>/setup.bash' first and use the Python that "
    "ROS was built for. `rs_denoise evaluate`, `denoise` and `live` need no ROS"
)
# Packages of ROS that rs_denoise imports.
ROS_PACKAGES = ("rclpy", "sensor_msgs", "std_srvs", "diagnostic_msgs", "lifecycle_msgs")
EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")
NAME = re.compile(r"[\w.-]+")


def explain_missing_package(error: ModuleNotFoundError) -> str | None:
    """A sentence that says what to install; None if no requirement of this package is missing."""
    module = (error.name or "").partition(".")[0]
    if module in ROS_PACKAGES:
        return f"{error}; {ROS_MISSING}"
    for packages in _requirements().values():
        if module in packages:
            return f"this needs {module}: run 'pip install {' '.join(packages)}'"
    return None


def _requirements() -> dict[str, list[str]]:
    """Extra -> names of the packages that it requires; "" for those that are always required."""
    groups: dict[str, list[str]] = {}
    try:
        requirements = metadata.requires("rs_denoise") or []
    except metadata.PackageNotFoundError:  # run from its source, without being installed
        requirements = []
    for requirement in requirements:
        extra, name = EXTRA.search(requirement), NAME.match(requirement)
        if name:
            groups.setdefault(extra[1] if extra else "", []).append(name[0])
    return groups
