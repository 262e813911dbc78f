"""Faults of the node's process: its device, its end and its environment."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from conftest import PROJECT
from scenes import Scaled, manifest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from node.faults.faulty_node import DAZZLED, ERROR, INJECTION, WARN, inject, says, start
from node.faults.steady_camera import CAMERA, DEPTH, INFRARED, send_until, step
from node.main_runs import RUN_MAINS, run_mains
from node.messages import pixels
from node.robot import TIMEOUT_S
from rs_denoise.model import save

# The device ------------------------------------------------------------------------------------

# From within TorchScript errors come as text. Both begin like those of a device that is lost.
FULL_GPU = {
    "allocator": "The following operation failed in the TorchScript interpreter. "
    "RuntimeError: CUDA out of memory. Tried to allocate 2.00 MiB",
    "driver": "CUDA error: out of memory",
}


def test_out_of_gpu_memory_takes_smaller_tiles_and_as_a_last_resort_fails(robot):
    """The allocator's message for white infrared, the driver's for nearly white."""
    messages = list(FULL_GPU.values())
    inject(robot, f"if dazzled: raise RuntimeError({messages}[infrared.min() == 254])")
    start(robot, on_failure="passthrough")
    for infrared, tile_px in ((DAZZLED, 96), (DAZZLED - 1, 64)):
        robot.send(DEPTH, infrared, CAMERA)
        robot.reported("output", f"out of GPU memory, continuing with tiles of {tile_px} px")
        robot.denoised(DEPTH, INFRARED, CAMERA)
    frame = (DEPTH, DAZZLED)
    send_until(robot, lambda: says(robot, "output", "even with tiles of"), "the last resort", frame)
    np.testing.assert_array_equal(pixels(robot.images[-1], "u2"), DEPTH)
    robot.denoised(DEPTH, INFRARED, CAMERA)


def test_a_gpu_that_is_full_or_lost_at_start_ends_the_process_with_a_reason(ros):
    complaints = {
        FULL_GPU["driver"]: "a smaller tile_px needs less memory",
        "CUDA error: unspecified launch failure": "device auto is lost: CUDA error",
    }
    # By tile_px. The default is of the comparison with float32, on a CPU with bfloat16.
    faults = dict(zip((1280, 1024), complaints, strict=True))
    fault = "if self.tiling.tile_px in faults: raise RuntimeError(faults[self.tiling.tile_px])"
    injection = INJECTION.format(fault=fault)
    program = f"faults = {faults}\n{injection}{RUN_MAINS}"
    runs = run_mains([["--ros-args", "-p", f"tile_px:={px}"] for px in faults], program)
    for (code, output), complaint in zip(runs, complaints.values(), strict=True):
        assert code == 1 and complaint in output and "Traceback" not in output, output


def test_a_gpu_that_is_lost_in_configure_ends_the_process_of_a_lifecycle_manager_too(robot):
    inject(robot, "raise RuntimeError('CUDA error: unspecified launch failure')")
    robot.start(model_path=robot.model_path, autostart="false")
    name = f"{robot.namespace}/denoise_node/change_state"
    client = robot.node.create_client(ChangeState, name)
    robot.wait(client.service_is_ready, "the node")
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    client.call_async(request)
    assert robot.exit_code() == 1
    assert "is lost: CUDA error" in robot.log and "Traceback" not in robot.log
    robot.node.destroy_client(client)


def test_a_gpu_that_is_lost_while_running_ends_the_process_so_that_launch_starts_a_new_one(robot):
    inject(robot, "if dazzled: raise RuntimeError('CUDA error: unspecified launch failure')")
    start(robot)
    robot.denoised(DEPTH, INFRARED, CAMERA)
    robot.send(DEPTH, DAZZLED, CAMERA)
    assert robot.exit_code() == 1
    assert "cpu is lost: CUDA error" in robot.log and "Traceback" not in robot.log


def test_a_frame_that_hangs_is_reported_and_ends_the_process(robot):
    """Without a traceback and at once, though a thread sleeps for an hour."""
    inject(robot, "if dazzled: time.sleep(3600)")
    start(robot, frame_timeout_s=8.0, concurrent_frames=2)
    robot.denoised(DEPTH, INFRARED, CAMERA)
    text = "although depth arrives: a frame has been in progress for"
    status = robot.wait(lambda: step(robot, DAZZLED) or says(robot, "output", text), text)
    assert status.level == ERROR
    assert robot.exit_code() == 1, robot.log
    robot.spin_for(0.5)
    assert "the device hangs, or is so slow" in robot.statuses["output"].message
    assert "the device hangs, or is so slow" in robot.log and "Traceback" not in robot.log


TIMING_HANGS = """
from rs_denoise.pipeline import resources

timed = []
measure_rate_hz = resources.measure_rate_hz

def measure(denoiser, *arguments):
    if denoiser.camera.width == 848:
        return 1000.0
    timed.append(id(denoiser))
    return measure_rate_hz(denoiser, *arguments)

resources.measure_rate_hz = measure
resources.BEST_FIRST = ("unet-tiny",)
"""


def test_a_device_that_hangs_while_models_are_timed_ends_the_process(robot):
    """The frame that hangs is not one of the camera's."""
    inject(robot, "if id(self) in timed: time.sleep(3600)")
    robot.program[-1] = TIMING_HANGS + robot.program[-1]
    start(robot, model_path="auto", frame_timeout_s=4.0)
    text = "although depth arrives: a frame has been in progress for"
    robot.wait(lambda: step(robot) or says(robot, "output", text), text)
    assert robot.values("model")["state"] == "active, measuring models"
    assert robot.exit_code() == 1, robot.log
    assert "the device hangs, or is so slow" in robot.log and "Traceback" not in robot.log


def test_a_signal_ends_the_process_though_a_frame_hangs(robot):
    inject(robot, "if dazzled: time.sleep(3600)")
    start(robot)
    begun = time.monotonic()
    while not robot.images:  # frame after frame: the first ones may meet subscriptions that begin
        assert time.monotonic() - begun < 30, robot.log
        robot.send(DEPTH, INFRARED, CAMERA)
        robot.spin_for(0.2)
    robot.send(DEPTH, DAZZLED, CAMERA)
    robot.spin_for(1.0)
    before = time.monotonic()
    assert robot.stop() == 0, robot.log
    assert time.monotonic() - before < 8, "it waits for two seconds, not for frame_timeout_s"


# The process and what is around it -------------------------------------------------------------


def test_a_model_file_that_is_swapped_serves_from_the_next_configuration_on(robot, tmp_path):
    path = tmp_path / "model.pt"
    shutil.copy(robot.model_path, path)
    start(robot, model_path=path)
    robot.denoised(DEPTH, INFRARED, CAMERA)
    path.write_bytes(b"no model")
    robot.denoised(DEPTH, INFRARED, CAMERA)
    np.testing.assert_array_equal(*(pixels(image, "u2") for image in robot.images))
    assert robot.transition("deactivate") and robot.transition("cleanup")
    assert not robot.transition("configure") and robot.state() == "unconfigured"
    assert robot.reported("output", "not a model file, or a truncated one").level == ERROR
    path.unlink()
    assert not robot.transition("configure")
    robot.reported("output", "no such model file")
    robot.spin_for(7.0)  # longer than the error of a frame shows
    robot.clear()
    assert robot.reported("output", "no such model file").level == ERROR
    save(Scaled(), replace(manifest(), name="another"), path)
    assert robot.transition("configure")
    said = "the node is inactive; a lifecycle manager must activate it"
    assert robot.reported("output", said).level == WARN, "although it has a subscriber"
    assert robot.statuses["input"].message == "not subscribed: the node is inactive"
    assert robot.transition("activate")
    robot.wait_connected()
    robot.denoised(DEPTH, INFRARED, CAMERA)
    robot.wait(lambda: robot.values("model").get("model") == "another", "its name")
    assert robot.status("output", "running")


def test_a_killed_node_leaves_nothing_that_hinders_the_next(robot):
    start(robot)
    robot.denoised(DEPTH, INFRARED, CAMERA)
    for _ in range(10):
        robot.send(DEPTH, INFRARED, CAMERA)
    assert robot.stop(signal.SIGKILL) == -signal.SIGKILL
    robot.start(baseline_m=0.05, model_path=robot.model_path)
    before = robot.reports
    send_until(robot, lambda: robot.reports > before, "the new node")
    before = len(robot.images)
    send_until(robot, lambda: len(robot.images) > before + 5, "images of the new node")
    assert robot.stop() == 0


def test_a_signal_at_any_moment_of_the_start_ends_it(robot):
    for moment_s, how in ((0.05, signal.SIGTERM), (0.7, signal.SIGINT), (1.6, signal.SIGTERM)):
        robot.log = ""
        robot.start(model_path=robot.model_path)
        robot.spin_for(moment_s)
        # Before main() runs the signal kills the interpreter, as any.
        assert robot.stop(how) in (0, -how), robot.log
        assert "Traceback" not in robot.log or "KeyboardInterrupt" in robot.log


FULL = """
import os, signal, sys
import rclpy
from node.robot import Robot
from scenes import camera, noisy_wall

rclpy.init()
robot = Robot(rclpy.create_node("test"), "/full")
robot.plug_in()
with open("/dev/shm/filler", "wb", buffering=0) as filler:
    try:
        while filler.write(bytes(4096)):
            pass
    except OSError:
        pass
free = os.statvfs("/dev/shm").f_bavail
robot.start(baseline_m=0.05, model_path=sys.argv[1])
try:
    robot.listen()
    robot.wait_connected()
    for _ in range(20):
        robot.denoised(*noisy_wall(128, 96), camera(128, 96))
    print("free", free, "images", len(robot.images), "exit", robot.stop())
finally:
    if robot.process.poll() is None:
        robot.stop(signal.SIGKILL)
print(robot.log)
"""


def test_with_dev_shm_full_the_node_goes_over_udp_and_says_so(simple_model):
    """The driver had its share of it before, as where many nodes run in a container."""
    mount = "mount -t tmpfs -o size=64m tmpfs /dev/shm"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("may not mount a private /dev/shm here: run as root, with unshare")
    program = [sys.executable, "-c", FULL, simple_model]
    result = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", *program],
        capture_output=True, text=True, timeout=3 * TIMEOUT_S, check=False,
        env={**os.environ, "PYTHONPATH": str(PROJECT / "test")},
    )  # fmt: skip
    assert "free 0 images 20 exit 0" in result.stdout, result.stdout + result.stderr
    if "rmw_fastrtps" in os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps"):
        assert "SHM" in result.stdout, "Fast DDS says why it does without shared memory"
