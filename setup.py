from glob import glob

from setuptools import find_packages, setup

package_name = "rs_denoise"

setup(
    name=package_name,
    version="0.1.0",
    packages=find_packages(include=["rs_denoise", "rs_denoise.*"]),
    package_data={
        package_name: [
            "py.typed",
            "models/*.pt",
            "models/*.md",
            *(f"evaluation/report/*.{kind}" for kind in ("html", "css", "js")),
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
        (f"share/{package_name}/launch", glob("launch/*.launch.py")),
        (f"share/{package_name}/config", glob("config/*")),
    ],
    # torch is documented, not listed: rosdep has no key for it, and pip would fetch CUDA builds.
    install_requires=["setuptools"],
    python_requires=">=3.10",
    zip_safe=False,
    maintainer="rs_denoise maintainers",
    maintainer_email="rs_denoise@users.noreply.github.com",
    description="Real-time depth denoising for RealSense cameras",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "denoise_node = rs_denoise.node.main:main",
            "rs_denoise = rs_denoise.cli.main:main",
            "autoencoder = rs_denoise.cli.autoencoder:main",
        ],
    },
)
