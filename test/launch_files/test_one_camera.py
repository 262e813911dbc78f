"""The launch files for one camera, evaluated by the real launch."""

import re
from pathlib import Path

import pytest
import yaml

from conftest import PROJECT

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("launch_ros", reason="launch and launch_ros are not on PyPI")

from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.event_handlers import OnStateTransition

from launch import LaunchContext
from launch_files.evaluation import Evaluation
from launch_files.installation import PROFILES

LAUNCH_FILES = sorted(path.name for path in (PROJECT / "launch").glob("*.launch.py"))


@pytest.mark.parametrize("name", LAUNCH_FILES)
def test_arguments_are_shown_with_a_description(prefix, name):
    """As `ros2 launch ... --show-args` does."""
    source = PythonLaunchDescriptionSource(str(PROJECT / "launch" / name))
    arguments = source.get_launch_description(LaunchContext()).get_launch_arguments()
    assert all(a.description != "no description given" for a in arguments)
    names = {a.name for a in arguments}
    if name in ("nav2_depth.launch.py", "realsense_denoise.launch.py", "replay.launch.py"):
        assert {"camera_namespace", "camera_model", "params_file", "lifecycle_manager"} <= names
    if name == "realsense_denoise.launch.py":
        assert {"camera_name", "profile", "serial_no", "config_file"} <= names


def test_the_node_stands_alone_in_the_drivers_namespace(prefix):
    started = Evaluation("denoise.launch.py").started
    assert list(started) == ["/camera/camera/denoise_node"]
    node = started["/camera/camera/denoise_node"]
    default = yaml.safe_load((PROJECT / "config" / "denoise.yaml").read_text())
    assert node.parameters == default["/**"]["ros__parameters"]
    for name in PROFILES:
        assert Path(node.environment[name]).samefile(PROJECT / "config" / "fastdds.xml")


def test_arguments_go_before_the_parameter_file(prefix):
    started = Evaluation(
        "denoise.launch.py", camera_namespace="/front/d455", camera_model="d455",
        num_threads="3", params_file=str(PROJECT / "config" / "drone.yaml"),
    ).started  # fmt: skip
    parameters = started["/front/d455/denoise_node"].parameters
    assert parameters["baseline_m"] == 0.095 and parameters["num_threads"] == 3
    assert parameters["model_path"] == "unet-tiny"
    assert not {"autostart", "device"} & set(parameters)


def test_model_and_device_are_arguments(prefix):
    chosen = {"model_path": "unet", "device": "openvino:GPU"}
    for name in ("denoise.launch.py", "nav2_depth.launch.py"):
        node = Evaluation(name, **chosen).started["/camera/camera/denoise_node"]
        assert {n: node.parameters[n] for n in chosen} == chosen


def test_a_fast_dds_profile_of_the_users_own_stays(prefix, monkeypatch):
    monkeypatch.setenv(PROFILES[0], "/mine.xml")
    started = Evaluation("denoise.launch.py").started
    assert started["/camera/camera/denoise_node"].environment[PROFILES[0]] == "/mine.xml"


def test_an_unknown_camera_model_is_refused_with_the_known_ones(prefix):
    with pytest.raises(RuntimeError, match="d435i"):
        Evaluation("denoise.launch.py", camera_model="d500")


def test_a_lifecycle_manager_activates_the_node_instead(prefix):
    started = Evaluation("denoise.launch.py", lifecycle_manager="true").started
    assert started["/camera/camera/denoise_node"].parameters["autostart"] is False
    # Node names are relative to the manager's namespace.
    manager = started["/camera/camera/lifecycle_manager_denoise"]
    assert manager.parameters == {
        "node_names": ("denoise_node",), "autostart": True, "bond_timeout": 0.0,
        "service_timeout": 60.0,
    }  # fmt: skip


def test_camera_and_node_start_together(prefix):
    started = Evaluation("realsense_denoise.launch.py", camera_model="d415").started
    assert list(started) == ["/camera/camera", "/camera/camera/denoise_node"]
    driver = started["/camera/camera"]
    assert driver.parameters["enable_depth"] is True and driver.parameters["enable_infra1"] is True
    assert driver.parameters["enable_infra2"] is True
    assert driver.parameters["depth_module.depth_profile"] == "848x480x30"
    assert driver.parameters["depth_module.infra_profile"] == "848x480x30"
    assert Path(driver.parameters["config_file"]).samefile(PROJECT / "config" / "realsense.yaml")
    assert driver.environment[PROFILES[0]].endswith("fastdds.xml")
    assert started["/camera/camera/denoise_node"].parameters["baseline_m"] == 0.055


def test_the_node_follows_the_cameras_name(prefix):
    started = Evaluation("realsense_denoise.launch.py", camera_name="front").started
    assert list(started) == ["/camera/front", "/camera/front/denoise_node"]


def test_the_right_infrared_stream_can_be_left_out(prefix):
    started = Evaluation("realsense_denoise.launch.py", right_infrared="false").started
    assert started["/camera/camera"].parameters["enable_infra2"] is False
    assert started["/camera/camera/denoise_node"].parameters["right_infrared"] == "off"
    for one_process in ("false", "true"):
        started = Evaluation(
            "multi_camera.launch.py", cameras="a,b", start_cameras="true", serial_nos="_1,_2",
            right_infrared="false", one_process=one_process,
        ).started  # fmt: skip
        assert started["/camera/b"].parameters["enable_infra2"] is False
        (*_, node) = started.values()
        assert node.parameters["right_infrared"] == "off"


def test_nav2_gets_points_beside_the_denoised_image(prefix):
    started = Evaluation("nav2_depth.launch.py", camera_namespace="/camera/front").started
    assert "/camera/front/denoise_node" in started
    container = started["/camera/front/denoised/points_container"]
    # A cloud is larger than Fast DDS's own segment, too.
    assert container.environment[PROFILES[0]].endswith("fastdds.xml")
    (bridge,) = container.components
    assert bridge.package_name == "depth_image_proc"
    assert bridge.plugin_name == "depth_image_proc::PointCloudXyzNode"
    # camera_info and points are the bridge's own names, in its namespace.
    assert bridge.node_namespace == "/camera/front/denoised"
    assert list(bridge.remap_rules) == ["image_rect:=image_rect_raw"]


@pytest.mark.parametrize(
    ("distribution", "clock"),
    [("humble", ["--clock", "200"]), ("jazzy", ["--clock-topics-all"])],
)
def test_a_replay_runs_on_the_recordings_clock(prefix, monkeypatch, distribution, clock):
    monkeypatch.setenv("ROS_DISTRO", distribution)
    evaluation = Evaluation("replay.launch.py", bag="run1/", rate="0.5", camera_namespace="/a/b")
    assert evaluation.started["/a/b/denoise_node"].parameters["use_sim_time"] is True
    for handler in evaluation.upon:
        if isinstance(handler, OnStateTransition):
            for entity in handler.entities:
                evaluation.visit(entity)
    play = " ".join(evaluation.started["ros2 bag play"].command)
    assert play.startswith("ros2 bag play run1/ --rate 0.5") and " ".join(clock) in play
    assert "/a/b/depth/image_rect_raw" in play and "denoised" not in play
    assert "/a/b/infra1/image_rect_raw" in play and "/a/b/infra2/image_rect_raw" in play
    record = evaluation.started["ros2 bag record"].command
    assert record[record.index("--output") + 1] == "run1_denoised" and "--use-sim-time" in record
    wanted = re.compile(record[record.index("--regex") + 1])
    for topic in ("/a/b/denoised/image_rect_raw", "/a/b/denoised/confidence", "/diagnostics"):
        assert wanted.search(topic)
    for topic in ("/a/b/depth/image_rect_raw", "/x/a/b/denoised/points", "/diagnostics_agg"):
        assert not wanted.search(topic)
