"""The package as ROS users install and launch it."""

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from conftest import PROJECT

PARTS = ("package.xml", "setup.py", "setup.cfg", "pyproject.toml", "resource", "rs_denoise",
         "launch", "config")  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A colcon workspace with the package built in it."""
    pytest.importorskip("colcon_core", reason="colcon is not installed")
    workspace = tmp_path_factory.mktemp("workspace")
    source = workspace / "src" / "rs_denoise"
    source.mkdir(parents=True)
    for part in PARTS:
        whole = PROJECT / part
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        copy = shutil.copytree if whole.is_dir() else shutil.copy
        copy(whole, source / part, **({"ignore": ignore} if whole.is_dir() else {}))
    # `colcon test` runs what is there: a small test, not this one again.
    (source / "test").mkdir()
    shutil.copy(PROJECT / "test" / "test_camera.py", source / "test")
    shutil.copy(PROJECT / "test" / "scenes.py", source / "test")
    colcon(workspace, "build")
    return workspace


def colcon(workspace, *arguments):
    out = subprocess.run(
        [sys.executable, "-m", "colcon", "--log-base", "log", *arguments],
        cwd=workspace, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert out.returncode == 0, out.stdout + out.stderr
    return out.stdout


def sourced(workspace, command):
    """Runs a command after `. install/setup.bash`."""
    return subprocess.run(
        ["bash", "-c", f". install/setup.bash && {command}"],
        cwd=workspace, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_setup_bash_makes_the_installed_package_known(workspace):
    out = sourced(
        workspace,
        f"{sys.executable} -c 'import rs_denoise, os; print(rs_denoise.__file__);"
        ' print(os.environ["AMENT_PREFIX_PATH"])\'',
    )
    module, prefixes = out.stdout.splitlines()
    assert Path(module).is_relative_to(workspace / "install")
    assert str(workspace / "install" / "rs_denoise") in prefixes.split(":")


def test_what_ros_looks_for_is_installed(workspace):
    prefix = workspace / "install" / "rs_denoise"
    share = prefix / "share"
    assert (share / "ament_index" / "resource_index" / "packages" / "rs_denoise").exists()
    for name in ("package.xml", "launch/denoise.launch.py", "launch/realsense_denoise.launch.py",
                 "config/denoise.yaml", "config/fastdds.xml"):  # fmt: skip
        assert (share / "rs_denoise" / name).exists(), name
    assert {p.name for p in (prefix / "lib" / "rs_denoise").iterdir()} >= {
        "denoise_node",
        "rs_denoise",
    }
    assert list(prefix.glob("lib/python*/site-packages/rs_denoise/models/unet.pt"))


def test_colcon_test_passes(workspace):
    colcon(workspace, "test", "--return-code-on-test-failure")
    assert "0 failures" in colcon(workspace, "test-result", "--all", "--verbose")


def test_package_xml_names_what_is_needed():
    root = ElementTree.parse(PROJECT / "package.xml").getroot()
    assert root.get("format") == "3" and root.findtext("license") == "Apache-2.0"
    assert {e.text for e in root.findall("exec_depend")} >= {
        "rclpy", "sensor_msgs", "diagnostic_msgs", "std_srvs", "lifecycle_msgs", "cv_bridge",
        "python3-numpy", "python3-opencv", "realsense2_camera", "launch_ros",
    }  # fmt: skip


def test_the_parameter_file_has_every_parameter_at_its_default():
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    from dataclasses import asdict

    from rs_denoise.node.parameters import DESCRIPTIONS, Parameters

    text = (PROJECT / "config" / "denoise.yaml").read_text()
    assert yaml.safe_load(text)["/**"]["ros__parameters"] == asdict(Parameters())
    assert set(DESCRIPTIONS) == set(asdict(Parameters()))


@pytest.mark.parametrize("name", ["denoise", "realsense_denoise"])
def test_launch_files_start_the_node_with_the_real_launch(workspace, name, tmp_path):
    pytest.importorskip("launch_ros", reason="launch and launch_ros are not on PyPI")
    if name == "realsense_denoise":
        packages = pytest.importorskip("ament_index_python.packages")
        try:
            packages.get_package_share_directory("realsense2_camera")
        except packages.PackageNotFoundError:
            pytest.skip("realsense2_camera is not installed")
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\n"
        "from launch import LaunchDescription, LaunchService\n"
        "from launch.actions import IncludeLaunchDescription, Shutdown, TimerAction\n"
        "from launch.launch_description_sources import PythonLaunchDescriptionSource as Source\n"
        "service = LaunchService()\n"
        "stop = TimerAction(period=10.0, actions=[Shutdown()])\n"
        "include = IncludeLaunchDescription(Source(sys.argv[1]))\n"
        "service.include_launch_description(LaunchDescription([include, stop]))\n"
        "sys.exit(service.run())\n"
    )
    share = workspace / "install" / "rs_denoise" / "share" / "rs_denoise"
    out = sourced(workspace, f"{sys.executable} {script} {share}/launch/{name}.launch.py")
    assert "model" in out.stdout + out.stderr and "finished cleanly" in out.stdout + out.stderr
