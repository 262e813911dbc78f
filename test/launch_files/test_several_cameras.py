"""The launch file for several cameras, evaluated by the real launch."""

import itertools
import os
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("launch_ros", reason="launch and launch_ros are not on PyPI")

from launch.event_handlers import OnShutdown
from launch.events import Shutdown

from launch_files.evaluation import Evaluation
from launch_files.installation import PROFILES


def test_each_camera_has_its_node_and_its_share_of_the_cores(prefix, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    started = Evaluation(
        "multi_camera.launch.py", cameras="front, rear", camera_models="d455, d435"
    ).started
    assert list(started) == ["/camera/front/denoise_node", "/camera/rear/denoise_node"]
    front, rear = (node.parameters for node in started.values())
    assert (front["baseline_m"], rear["baseline_m"]) == (0.095, 0.050)
    assert front["num_threads"] == rear["num_threads"] == 3


def test_each_node_gets_the_model_and_the_device(prefix):
    started = Evaluation(
        "multi_camera.launch.py", cameras="front,rear", model_path="unet-tiny", device="cpu"
    ).started
    for node in started.values():
        assert (node.parameters["model_path"], node.parameters["device"]) == ("unet-tiny", "cpu")


def test_several_cameras_start_by_serial_number_with_points(prefix):
    started = Evaluation(
        "multi_camera.launch.py", cameras="front,rear", start_cameras="true", points="true",
        serial_nos="_1,_2", num_threads="1", profile="640x480x30",
    ).started  # fmt: skip
    assert list(started) == [
        "/camera/front", "/camera/front/denoise_node", "/camera/front/denoised/points_container",
        "/camera/rear", "/camera/rear/denoise_node", "/camera/rear/denoised/points_container",
    ]  # fmt: skip
    for name, serial_no in (("front", "_1"), ("rear", "_2")):
        driver = started[f"/camera/{name}"].parameters
        assert (driver["camera_name"], driver["serial_no"]) == (name, serial_no)
        assert driver["depth_module.depth_profile"] == "640x480x30"
        assert started[f"/camera/{name}/denoise_node"].parameters["num_threads"] == 1


def test_one_process_serves_several_cameras(prefix):
    started = Evaluation(
        "multi_camera.launch.py", cameras="front,rear,left", camera_models="d455,auto,d435",
        one_process="true", points="true", num_threads="2", device="cuda:1",
    ).started  # fmt: skip
    bridges = [f"/camera/{name}/denoised/points_container" for name in ("front", "rear", "left")]
    *before, (_, process) = started.items()
    assert [name for name, _ in before] == bridges
    assert process.command[1:5] == ["--cameras", "/camera/front", "/camera/rear", "/camera/left"]
    assert process.environment[PROFILES[0]].endswith("config/fastdds.xml")
    assert "min_confidence" in process.parameters
    files = [v for k, v in itertools.pairwise(process.command) if k == "--params-file"]
    assert yaml.safe_load(Path(files[-1]).read_text()) == {
        f"/camera/{name}/denoise_node": {
            "ros__parameters": {"num_threads": 2, "device": "cuda:1"} | baseline
        }
        for name, baseline in (
            ("front", {"baseline_m": 0.095}),
            ("rear", {}),
            ("left", {"baseline_m": 0.05}),
        )
    }


def test_the_parameter_file_of_one_process_is_gone_when_launch_ends(prefix):
    evaluation = Evaluation(
        "multi_camera.launch.py", cameras="front,rear", camera_models="d455", one_process="true"
    )
    (process,) = evaluation.started.values()
    *_, file = (v for k, v in itertools.pairwise(process.command) if k == "--params-file")
    assert Path(file).exists()
    (handler,) = (h for h in evaluation.upon if isinstance(h, OnShutdown))
    evaluation.handle(handler, Shutdown(reason="the test"))
    assert not Path(file).exists()


def test_one_process_whose_cameras_say_nothing_of_themselves_needs_no_file(prefix):
    started = Evaluation("multi_camera.launch.py", cameras="front,rear", one_process="true").started
    (process,) = started.values()
    assert process.command.count("--params-file") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"one_process": "true", "camera_models": "kinect"}, "got kinect"),
        ({"one_process": "true", "lifecycle_manager": "True"}, "omit lifecycle_manager"),
        ({"one_process": "true", "autostart": "false"}, "omit autostart"),
        ({"camera_models": "d455,d435,d435"}, "camera_models has 3 entries for 2 cameras"),
        ({"start_cameras": "true", "serial_nos": "_1"}, "serial_nos has 1 entries for 2 cameras"),
        ({"cameras": "front,front"}, "cameras contains a name twice: front,front"),
    ],
)
def test_lists_that_do_not_fit_the_cameras_are_refused(prefix, arguments, said):
    with pytest.raises(RuntimeError, match=said):
        Evaluation("multi_camera.launch.py", **{"cameras": "front,rear", **arguments})
