from glob import glob
from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

HERE = Path(__file__).parent
package_name = "rs_denoise"
EXTRAS = ("cluster", "evaluate", "simulate", "train", "onnx", "openvino")


def read_version() -> str:
    """The version stands in package.xml, where ROS's tools look for it."""
    return ElementTree.parse(HERE / "package.xml").findtext("version", "").strip()


def read_requirements(name: str) -> list[str]:
    """The lines of requirements/NAME.txt, which the Makefile installs too."""
    lines = (HERE / "requirements" / f"{name}.txt").read_text("utf-8").splitlines()
    return [line for line in (line.partition("#")[0].strip() for line in lines) if line]


setup(
    name=package_name,
    version=read_version(),
    packages=find_packages(include=["rs_denoise", "rs_denoise.*"]),
    package_data={
        package_name: [
            "py.typed",
            "models/*.pt",
            "models/*.md",
            "evaluation/batch/*.html",
            *(f"evaluation/report/*.{kind}" for kind in ("html", "css", "js")),
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
        (f"share/{package_name}/launch", glob("launch/*.launch.py")),
        (f"share/{package_name}/config", glob("config/*")),
    ],
    # colcon installs none of these: rosdep reads package.xml, which has no key for PyTorch.
    install_requires=read_requirements("runtime"),
    extras_require={name: read_requirements(name) for name in EXTRAS},
    python_requires=">=3.10",
    zip_safe=False,
    author="The rs_denoise authors",
    maintainer="The rs_denoise authors",
    maintainer_email="rs_denoise@users.noreply.github.com",
    description="Real-time depth denoising for RealSense cameras",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "denoise_node = rs_denoise.node.main:main",
            "rs_denoise = rs_denoise.cli.start:rs_denoise",
            "autoencoder = rs_denoise.cli.start:autoencoder",
        ],
    },
)
