"""What the running node does when something breaks; docs/faults.md is the table of these."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from scenes import camera, manifest, noisy_wall

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from std_srvs.srv import SetBool

from node.robot import pixels
from rs_denoise.model import save

OK, WARN, ERROR = b"\0", b"\1", b"\2"
SIZE = (128, 96)
DEPTH, INFRARED = noisy_wall(*SIZE)
CAMERA = camera(*SIZE)


def start(robot, **parameters):
    robot.plug_in()
    robot.start(baseline_m=0.05, **parameters)
    robot.listen()
    robot.wait_connected()
    return robot


def send_until(robot, condition, what, frame=(DEPTH, INFRARED)):
    """A steady camera of 50 Hz until `condition()`."""

    def step():
        robot.send(*frame, CAMERA)
        robot.spin_for(0.02)
        return condition()

    return robot.wait(step, what)


def says(robot, entry, text):
    status = robot.statuses.get(entry)
    return status if status is not None and text in status.message else None


# The policy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["silence", "passthrough", "invalid"])
def test_a_frame_that_cannot_be_denoised_is_answered_as_the_policy_says(robot, policy):
    start(robot, on_failure=policy)
    robot.denoised(DEPTH, INFRARED, CAMERA)
    robot.send(DEPTH, noisy_wall(64, 64)[1], CAMERA)
    status = robot.status("output", "infrared must be 128x96")
    assert status.level == ERROR
    assert {v.key: v.value for v in status.values}["on failure"] == policy
    header = robot.denoised(DEPTH, INFRARED, CAMERA)
    assert robot.images[-1].header == header
    assert len(robot.images) == (2 if policy == "silence" else 3)
    if policy != "silence":
        depth, confidence = pixels(robot.images[1], "u2"), pixels(robot.confidences[1], "f4")
        expected = DEPTH if policy == "passthrough" else np.zeros_like(DEPTH)
        np.testing.assert_array_equal(depth, expected)
        np.testing.assert_array_equal(np.isnan(confidence), expected > 0)


def test_depth_that_cannot_even_be_read_is_not_passed_through(robot):
    start(robot, on_failure="passthrough")

    def spoil(message):
        message.encoding = "rgb8"

    robot.send(DEPTH, INFRARED, CAMERA, change=spoil)
    robot.status("output", "encoding 'rgb8'")
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert len(robot.images) == 1


@pytest.mark.parametrize("cause", ["rejected", "covered"])
def test_a_long_run_of_empty_frames_is_a_failure_and_ends_by_itself(robot, cause):
    """To a costmap a cloud without points is a free path: silence stops the robot."""
    start(robot)
    robot.denoised(DEPTH, INFRARED, CAMERA)
    if cause == "rejected":
        robot.set(min_confidence=1.0, fill_confidence=1.01)
    frame = (DEPTH if cause == "rejected" else np.zeros_like(DEPTH), INFRARED)
    status = send_until(
        robot, lambda: says(robot, "output", "0.0 % of the pixels came out valid"), "error", frame
    )
    assert status.level == ERROR
    before = len(robot.images)
    for _ in range(20):
        robot.send(*frame, CAMERA)
        robot.spin_for(0.02)
    assert len(robot.images) == before
    robot.set(min_confidence=0.35)
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert pixels(robot.images[-1], "u2").any()


def test_denoising_can_be_switched_off_and_on_for_comparison(robot):
    start(robot)
    answer = robot.call(SetBool, "set_enabled", SetBool.Request(data=False))
    assert answer.success and answer.message == "passing the camera's depth through"
    robot.denoised(DEPTH, INFRARED, CAMERA)
    np.testing.assert_array_equal(pixels(robot.images[-1], "u2"), DEPTH)
    assert robot.status("model", "disabled").level == WARN
    assert robot.call(SetBool, "set_enabled", SetBool.Request(data=True)).success
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert (pixels(robot.images[-1], "u2") != DEPTH).mean() > 0.5


def test_depth_out_of_range_is_not_published(robot):
    start(robot, max_range_m=1.9)
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert not pixels(robot.images[-1], "u2").any()
    refused = robot.set(min_range_m=3.0)[0]
    assert not refused.successful and "max_range_m must be 0 or more than min" in refused.reason
    assert robot.set(max_range_m=0.0)[0].successful
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert pixels(robot.images[-1], "u2").any()


# The network and its device --------------------------------------------------------------------


class NanWhenDazzled(nn.Module):
    """A network that breaks on white infrared."""

    def forward(self, disparity_px, infrared):
        broken = torch.where(infrared.amin() == 255, torch.nan, 1.0)
        return disparity_px * broken, torch.full_like(disparity_px, 0.05)


def test_nan_from_the_network_loses_the_frame_and_the_next_is_fine(robot, tmp_path):
    save(NanWhenDazzled(), manifest(), tmp_path / "model.pt")
    start(robot, model_path=tmp_path / "model.pt")
    robot.denoised(DEPTH, INFRARED, CAMERA)
    robot.send(DEPTH, np.full_like(INFRARED, 255), CAMERA)
    assert "numbers that are none (NaN) on cpu" in robot.status("output", "NaN").message
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert len(robot.images) == 2


INJECTED = """
import sys
import torch
from rs_denoise.denoiser import Denoiser
from rs_denoise.node.main import main

estimate = Denoiser.estimate
frames = 0

def broken(self, depth_mm, infrared=None):
    global frames
    frames += 1
    {fault}
    return estimate(self, depth_mm, infrared)

Denoiser.estimate = broken
sys.exit(main(sys.argv))
"""


def test_out_of_gpu_memory_takes_smaller_tiles(robot):
    """No GPU here: what CUDA would raise is raised for tiles larger than half of those given."""
    fault = "if frames > 1 and self.tiling.tile_px > 800: raise torch.cuda.OutOfMemoryError('full')"
    robot.program = [sys.executable, "-c", INJECTED.format(fault=fault)]
    start(robot)
    robot.send(DEPTH, INFRARED, CAMERA)
    robot.status("output", "out of GPU memory, going on with tiles of 768 px")
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert len(robot.images) == 1


def test_out_of_gpu_memory_with_the_smallest_tiles_is_a_failure(robot):
    fault = "if frames > 1: raise torch.cuda.OutOfMemoryError('full')"
    robot.program = [sys.executable, "-c", INJECTED.format(fault=fault)]
    start(robot, on_failure="passthrough")
    send_until(robot, lambda: says(robot, "output", "even with tiles of"), "the last resort")
    np.testing.assert_array_equal(pixels(robot.images[-1], "u2"), DEPTH)


def test_a_lost_gpu_ends_the_process_so_that_launch_starts_a_new_one(robot):
    fault = "if frames > 1: raise RuntimeError('CUDA error: unspecified launch failure')"
    robot.program = [sys.executable, "-c", INJECTED.format(fault=fault)]
    start(robot)
    robot.send(DEPTH, INFRARED, CAMERA)
    assert robot.exit_code() == 1
    assert "cpu is lost: CUDA error" in robot.log and "Traceback" not in robot.log
