"""The right infrared image as a third, optional input, over Fast DDS."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from scenes import Scaled, camera, kind_fields, manifest, noisy_wall

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from node.messages import pixels
from rs_denoise.matching import PRESENT
from rs_denoise.model import save
from rs_denoise.network_kind import TOLERANCE
from rs_denoise.node.images import image_message
from rs_denoise.synthetic_frame import synthetic_frame, typical_camera

OK, WARN, ERROR = b"\0", b"\1", b"\2"
SIZE = (128, 96)
DEPTH, INFRARED = noisy_wall(*SIZE)
CAMERA = camera(*SIZE)
# Longer than the defaults, so that a busy machine does not change what is late.
PARAMETERS = {"baseline_m": 0.05, "infrared_timeout_s": 1.5, "right_infrared_wait_ms": 400.0}
# Confidence of every pixel, by which the network says that it has seen both infrared images.
SEEN = 0.5


class SaysWhetherItSees(nn.Module):
    """Returns depth as it is, with a confidence of `SEEN` if there is matching evidence."""

    def forward(self, disparity_px, infrared, surfaces_px, evidence):
        filled = torch.where(disparity_px > 0, disparity_px, disparity_px.amax() + 0 * infrared)
        # The scale is that of confidence SEEN.
        seen = filled * (TOLERANCE / math.log(1 / (1 - SEEN)))
        return filled, torch.where(evidence[:, PRESENT : PRESENT + 1].amax() > 0, seen, 0.05)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "stereo.pt"
    save(SaysWhetherItSees(), manifest(**kind_fields("laplace-stereo")), path)
    return path


@pytest.fixture
def running(shared_robot, model):
    """The robot of this module, which has just denoised a frame with three images."""
    robot = shared_robot
    robot.reset((DEPTH, INFRARED), CAMERA, **PARAMETERS, model_path=model)
    robot.wait(lambda: robot.infrared_right.get_subscription_count() == 1, "its subscription")

    def used():
        step(robot)
        return robot.images and says(robot, "input", "receiving") and uses_right(robot)

    robot.wait(used, "right infrared to be used")
    robot.denoised(DEPTH, INFRARED, CAMERA, right=INFRARED)  # none is on its way after this one
    robot.clear()
    return robot


def step(robot, infrared=INFRARED, right=INFRARED, **how):
    """One frame of a 20 Hz camera."""
    header = robot.send(DEPTH, infrared, CAMERA, right=right, **how)
    robot.spin_for(0.05)
    return header


def says(robot, entry, text):
    status = robot.statuses.get(entry)
    return status if status is not None and text in status.message else None


def uses_right(robot, which=-1):
    """Whether a frame was denoised with right infrared."""
    return bool(robot.confidences) and saw_right(robot.confidences[which])


def saw_right(confidence):
    return pixels(confidence, "f4").max() == pytest.approx(SEEN, abs=1e-3)


def test_three_images_of_a_moment_are_used_together(running):
    robot = running
    headers = [
        robot.denoised(DEPTH, INFRARED, CAMERA, right=INFRARED, right_delay_s=delay_s)
        for delay_s in (0.0, 0.1, 0.0)
    ]
    assert [image.header for image in robot.images] == headers
    assert all(uses_right(robot, k) for k in range(3))
    robot.wait(lambda: robot.values("input").get("right infrared") == "used", "diagnostics")


def test_without_right_infrared_no_frame_is_lost_and_it_may_come_back(running):
    robot = running
    counted, headers = robot.counts(), []

    def reported():
        headers.append(step(robot, right=None))
        return says(robot, "input", "no right infrared on")

    status = robot.wait(reported, "the loss to be reported")
    assert status.level == WARN and "enable_infra2:=true" in status.message
    assert robot.values("input")["right infrared"] == "missing"
    robot.wait(lambda: robot.has_answered(headers[-1]), "the last frame")
    assert not uses_right(robot) and len(robot.images) > len(headers) / 2
    counts = robot.counts()
    assert counts["unpaired"] == counted["unpaired"] and counts["failed"] == counted["failed"]

    def back():
        step(robot)
        return uses_right(robot)

    robot.wait(back, "right infrared to be used again")


def test_without_left_infrared_depth_goes_alone(running):
    robot = running

    def reported():
        step(robot, infrared=None)
        return says(robot, "input", "no infrared on") and robot.images

    robot.wait(reported, "depth alone")
    assert not uses_right(robot)


def test_without_depth_nothing_is_published(running):
    robot = running

    def reported():
        header = robot.next_header()
        for publisher in (robot.infrared, robot.infrared_right):
            publisher.publish(image_message(INFRARED, "mono8", header))
        robot.spin_for(0.05)
        return says(robot, "input", "no input: waiting for")

    robot.wait(reported, "the loss to be reported")
    assert not robot.images


def test_right_infrared_that_is_late_is_not_waited_for(running):
    robot = running

    def reported():
        step(robot, right_delay_s=0.6)
        return says(robot, "input", "it comes too late or with other stamps")

    assert robot.wait(reported, "lateness to be reported").level == WARN
    assert len(robot.images) > 1 and not uses_right(robot)


@pytest.mark.parametrize(
    ("right", "encoding", "reason"),
    [
        (INFRARED[:48, :64].copy(), "mono8", "right infrared is 64x48, expected 128x96 as depth"),
        (DEPTH, "yuv9", "right infrared has encoding 'yuv9'"),
    ],
)
def test_right_infrared_of_another_size_or_encoding_is_not_used(running, right, encoding, reason):
    robot = running

    def reported():
        step(robot, right=right, right_encoding=encoding)
        return says(robot, "input", reason)

    status = robot.wait(reported, "the reason")
    assert status.level == WARN and "continuing without right infrared" in status.message
    assert robot.values("input")["right infrared"] == "rejected"
    robot.denoised(DEPTH, INFRARED, CAMERA, right=right, right_encoding=encoding)
    assert not uses_right(robot) and robot.values("output")["failed"] == "0"

    def used():
        step(robot)
        return robot.values("input")["right infrared"] == "used"

    robot.wait(used, "right infrared of depth's size to be used")


def test_right_infrared_that_does_not_belong_to_depth_is_not_used(running):
    """Swapped topics: the node says so, and denoises with the left image alone."""
    robot, camera_ = running, typical_camera(320, 240)
    depth, left, right = synthetic_frame(camera_)

    def send(*pair):
        robot.send(depth, pair[0], camera_, right=pair[1])
        robot.spin_for(0.1)

    def reported():
        send(right, left)
        return says(robot, "input", "are infra1 and infra2 swapped")

    status = robot.wait(reported, "the swapped images to be reported")
    assert status.level == WARN and "continuing without right infrared" in status.message
    assert robot.values("input")["right infrared"] == "rejected"
    assert not uses_right(robot) and robot.values("output")["failed"] == "0"

    def used():
        send(left, right)
        return robot.values("input")["right infrared"] == "used" and uses_right(robot)

    robot.wait(used, "images in the right order to be used")


def test_right_infrared_at_half_the_rate_serves_every_second_frame(running):
    """A frame that has waited goes on well before the next one, which would replace it."""
    robot = running
    assert robot.set(right_infrared_wait_ms=100.0)[0].successful
    turn = itertools.cycle([INFRARED, None])

    def reported():
        step(robot, right=next(turn))
        robot.spin_for(0.2)
        used = [saw_right(confidence) for confidence in robot.confidences]
        status = says(robot, "input", "no right infrared image matches")
        return status if len(used) > 10 and 0.3 < np.mean(used) < 0.7 else None

    assert robot.wait(reported, "half the rate to be reported").level == WARN
    before = robot.counts()["unpaired"]
    for _ in range(3):
        robot.denoised(DEPTH, INFRARED, CAMERA)
        robot.denoised(DEPTH, INFRARED, CAMERA, right=INFRARED)
    assert robot.counts()["unpaired"] == before


def test_it_can_be_switched_off_and_on(running):
    robot = running
    assert robot.set(right_infrared="off")[0].successful
    robot.wait(lambda: robot.infrared_right.get_subscription_count() == 0, "it to unsubscribe")
    robot.denoised(DEPTH, INFRARED, CAMERA, right=INFRARED)
    assert not uses_right(robot)
    robot.wait(lambda: robot.values("input").get("right infrared") == "off", "diagnostics")


def test_with_a_model_that_does_not_use_it_nothing_is_subscribed_to(robot, tmp_path):
    save(Scaled(), manifest(), tmp_path / "scaled.pt")
    robot.plug_in()
    robot.start(baseline_m=0.05, model_path=tmp_path / "scaled.pt")
    robot.listen()
    robot.wait_connected()
    robot.denoised(DEPTH, INFRARED, CAMERA, right=INFRARED)
    assert robot.infrared_right.get_subscription_count() == 0
    said = "not used by this model"
    robot.wait(lambda: robot.values("input").get("right infrared") == said, "diagnostics")
    assert robot.counts()["unpaired"] == 0
