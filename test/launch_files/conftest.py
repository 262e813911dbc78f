import os

import pytest

from conftest import PROJECT
from launch_files.installation import DRIVER, PROFILES, PROGRAMS


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    """An installation with this package, as it stands in the checkout, and the stand-ins."""
    for package, (program, body) in PROGRAMS.items():
        marker = tmp_path / "share" / "ament_index" / "resource_index" / "packages" / package
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        path = tmp_path / "lib" / package / program
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    share = tmp_path / "share" / "rs_denoise"
    share.mkdir()
    for folder in ("launch", "config"):
        (share / folder).symlink_to(PROJECT / folder)
    driver = tmp_path / "share" / "realsense2_camera" / "launch" / "rs_launch.py"
    driver.parent.mkdir(parents=True)
    driver.write_text(DRIVER)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}:{os.environ.get('AMENT_PREFIX_PATH', '')}")
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))
    for name in PROFILES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path
