"""Several cameras served by one process."""

import numpy as np
import pytest

from scenes import camera, noisy_wall

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from node.main_runs import run_mains
from node.messages import pixels
from node.robot import Robot
from rs_denoise.denoiser import Denoiser
from rs_denoise.model import Model

SIZE = (128, 96)
BASELINES_M = (0.05, 0.095)


@pytest.fixture(scope="module")
def pair(shared_robot, tmp_path_factory):
    """Two robots, whose nodes run in one process."""
    front, rear = shared_robot, Robot(shared_robot.node, f"{shared_robot.namespace}/rear")
    for each in (front, rear):
        each.plug_in()
        each.listen()
    settings = tmp_path_factory.mktemp("settings") / "cameras.yaml"
    settings.write_text(
        "".join(
            f"{each.namespace}/denoise_node:\n  ros__parameters:\n    baseline_m: {baseline_m}\n"
            for each, baseline_m in zip((front, rear), BASELINES_M, strict=True)
        )
    )
    cameras = ["--cameras", front.namespace, rear.namespace]
    front.run([*cameras, "--ros-args", "-r", "__ns:=/group", "--params-file", str(settings)])
    rear.process = front.process
    for each in (front, rear):
        each.wait_connected()
    return front, rear


def test_each_camera_gets_its_own_depth_and_one_network_serves_all(pair):
    model = Model.load()
    for seed, (robot, baseline_m) in enumerate(zip(pair, BASELINES_M, strict=True)):
        frame, its = noisy_wall(*SIZE, seed=seed), camera(*SIZE, baseline_m=baseline_m)
        header = robot.denoised(*frame, its)
        expected = np.rint(Denoiser(model, its).denoise(*frame).depth_mm)
        np.testing.assert_array_equal(pixels(robot.images[-1], np.uint16), expected)
        robot.wait(lambda robot=robot: robot.values("model").get("baseline (m)"), "diagnostics")
        assert robot.values("model")["baseline (m)"] == f"{baseline_m:.4f}"
        assert [image.header for image in robot.images] == [header]
    assert pair[0].log.count("already loaded by this process") == 1


def test_a_camera_that_floods_leaves_the_other_its_turn(pair):
    front, rear = pair
    frame, its = noisy_wall(*SIZE), camera(*SIZE)
    for each in pair:
        each.denoised(*frame, its)
    before, dropped = len(rear.images), front.counts()["dropped"]
    for _ in range(10):
        for _ in range(20):
            front.send(*frame, its)
        rear.denoised(*frame, its)
    assert len(rear.images) == before + 10 and front.counts()["dropped"] > dropped


def test_a_group_with_a_namespace_does_not_move_them(pair):
    """As launch's PushRosNamespace would, for whose sake the process gets -r __ns:=."""
    names = {f"{each.namespace}/denoise_node" for each in pair}
    listed = pair[0].node.get_node_names_and_namespaces()
    assert names <= {f"{namespace}/{name}" for name, namespace in listed}


def test_one_camera_unplugged_and_the_other_goes_on(pair):
    front, rear = pair
    frame, its = noisy_wall(*SIZE), camera(*SIZE)
    front.unplug()
    rear.denoised(*frame, its)
    front.status("input", "nobody publishes")
    assert rear.status("input", "receiving")
    assert front.stop() == 0 and "Traceback" not in front.log


def test_impossible_arguments_end_the_process_with_a_reason(ros, tmp_path):
    settings = tmp_path / "cameras.yaml"
    settings.write_text("/a/denoise_node:\n  ros__parameters:\n    num_threads: 2\n")
    complaints = {
        f"--cameras /a /b --ros-args --params-file {settings}": "num_threads applies to all "
        "cameras of a process: give them the same value, not 2, 0",
        "--cameras /a /a --ros-args": "--cameras contains a namespace twice",
        "--cameras --ros-args": "expected at least one argument",
        "--cameras a\\b --ros-args": "a\\b",
        "--ros-args -p /a/denoise_node:baseline_m:=1": "/a/denoise_node:baseline_m:=1",
    }
    runs = run_mains([arguments.split() for arguments in complaints])
    for (code, output), complaint in zip(runs, complaints.values(), strict=True):
        assert code in (1, 2) and complaint in output and "Traceback" not in output, output
