"""The package as ROS users install and launch it."""

import ast
import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from conftest import PROJECT

PARTS = ("package.xml", "setup.py", "setup.cfg", "pyproject.toml", "resource", "requirements",
         "rs_denoise", "launch", "config")  # fmt: skip


# Names in package.xml. PyTorch has none, and realsense2_camera brings its own messages.
PYTHON_PACKAGES = {"numpy": "python3-numpy", "cv2": "python3-opencv", "yaml": "python3-yaml"}
NOT_LISTED = {"rs_denoise", "torch", "realsense2_camera_msgs"}


def test_package_xml_lists_what_the_node_and_the_launch_files_import():
    files = [*PROJECT.glob("rs_denoise/node/*.py"), *PROJECT.glob("launch/*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    modules = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - NOT_LISTED
    package = ElementTree.parse(PROJECT / "package.xml")
    listed = {element.text for element in package.iter("exec_depend")}
    assert {PYTHON_PACKAGES.get(module, module) for module in modules} <= listed


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
    for folder in ("launch", "config"):
        installed = {path.name for path in (share / "rs_denoise" / folder).iterdir()}
        kept = {path.name for path in (PROJECT / folder).iterdir()} - {"__pycache__"}
        assert installed == kept and len(kept) > 4
    assert (share / "rs_denoise" / "package.xml").exists()
    assert {p.name for p in (prefix / "lib" / "rs_denoise").iterdir()} >= {
        "denoise_node",
        "rs_denoise",
    }
    assert list(prefix.glob("lib/python*/site-packages/rs_denoise/models/unet.pt"))


def test_the_installed_program_runs_where_launch_looks_for_it(workspace):
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    program = "install/rs_denoise/lib/rs_denoise/denoise_node"
    out = sourced(workspace, f"{program} --ros-args -p on_failure:=shrug")
    assert out.returncode == 1 and "on_failure must be one of silence" in out.stderr, out.stderr


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


@pytest.fixture
def ros(tmp_path, monkeypatch):
    rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    context = rclpy.Context()
    context.init()
    yield context
    context.shutdown()


@pytest.mark.parametrize("name", ["denoise.yaml", "drone.yaml"])
def test_the_node_takes_a_parameter_file_as_it_is(ros, name):
    from dataclasses import asdict

    from rclpy.node import Node

    from rs_denoise.node import parameters

    path = PROJECT / "config" / name
    written = yaml.safe_load(path.read_text())["/**"]["ros__parameters"]
    assert set(written) <= set(asdict(parameters.Parameters()))
    arguments = ["--ros-args", "--params-file", str(path)]
    node = Node("denoise_node", context=ros, cli_args=arguments)
    try:
        chosen = asdict(parameters.declare(node))
    finally:
        node.destroy_node()
    assert chosen == asdict(parameters.Parameters()) | written


def topics_of_the_node(ros):
    """What it offers and listens to, from the node itself, in the driver's namespace."""
    from rs_denoise.node.denoise_node import DenoiseNode
    from rs_denoise.node.outputs import Outputs

    node = DenoiseNode(namespace="/camera/camera", context=ros)
    Outputs(node, node._reporter)
    try:
        # Not the graph: a node of this name that an earlier test ended may still stand there.
        offered = {publisher.topic_name for publisher in node.publishers}
        return offered | {source.topic for source in node._listener.topics.required}
    finally:
        node.destroy_node()


# depth_image_proc's, see nav2_depth.launch.py.
POINTS = "/camera/camera/denoised/points"


def test_what_rviz_shows_is_what_the_node_takes_and_gives(ros):
    displays = yaml.safe_load((PROJECT / "config" / "denoise.rviz").read_text())[
        "Visualization Manager"
    ]["Displays"]
    shown = {display["Topic"]["Value"] for display in displays if "Topic" in display}
    shown |= {display["Depth Map Topic"] for display in displays if "Depth Map Topic" in display}
    assert len(shown) == 4 and shown <= topics_of_the_node(ros) | {POINTS}


def test_what_foxglove_shows_is_what_the_node_takes_and_gives(ros):
    layout = json.loads((PROJECT / "config" / "foxglove.json").read_text())
    shown, panels = set(), layout["configById"]
    for panel in panels.values():
        shown |= {v for k, v in panel.get("imageMode", {}).items() if k.endswith("Topic")}
        shown |= set(panel.get("topics", {})) | ({panel.get("topicToRender")} - {None})
    assert {POINTS, "/diagnostics"} < shown <= topics_of_the_node(ros) | {POINTS}
    placed = json.dumps(layout["layout"])
    assert all(f'"{name}"' in placed for name in panels)


def test_nav2_listens_to_the_points_and_notices_silence():
    merged = yaml.safe_load((PROJECT / "config" / "nav2_costmap.yaml").read_text())
    layer = merged["local_costmap"]["local_costmap"]["ros__parameters"]["voxel_layer"]
    monitor = merged["collision_monitor"]["ros__parameters"]
    for sources in (layer["observation_sources"].split(), monitor["observation_sources"]):
        assert "denoised_depth" in sources
    source = layer["denoised_depth"]
    assert source["topic"] == monitor["denoised_depth"]["topic"] == POINTS
    assert source["data_type"] == "PointCloud2" and 0 < source["expected_update_rate"] < 1
    assert 0 < monitor["denoised_depth"]["source_timeout"] < 1
    # What was marked can be cleared, floor is seen but does not mark, the volume holds what marks.
    assert source["raytrace_max_range"] > source["obstacle_max_range"]
    assert source["min_obstacle_height"] < 0 < layer["min_obstacle_height"]
    assert layer["z_voxels"] * layer["z_resolution"] >= layer["max_obstacle_height"] - 1e-9


@pytest.mark.parametrize("program", ["rs_denoise", "autoencoder"])
def test_without_packages_of_the_command_line_it_says_what_to_install(program):
    """rosdep knows them by no key, so a robot may lack them."""
    code = (
        "import sys\n"
        "sys.modules['typer'] = None\n"
        f"from rs_denoise.cli.start import {program}\n"
        f"{program}()"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode == 2 and "Traceback" not in out.stderr
    assert out.stderr.startswith(f"{program}: this needs typer: run 'pip install torch numpy")
