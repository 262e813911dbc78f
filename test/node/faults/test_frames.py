"""Frames that are invalid or unusual, sent to a running node."""

import array

import numpy as np
import pytest

from scenes import camera, noisy_wall

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from std_srvs.srv import SetBool

from node.faults.faulty_node import ERROR, WARN, inject, says, start, wait_accounted
from node.faults.steady_camera import CAMERA, DEPTH, INFRARED, SIZE, send_until, step
from node.messages import camera_info, pixels
from rs_denoise.denoiser import Denoiser
from rs_denoise.model import Model
from rs_denoise.node.images import image_message, read_depth
from rs_denoise.shipped_models import DEFAULT_MODEL


def coloured(message):
    message.encoding = "rgb8"


# The policy ------------------------------------------------------------------------------------


def test_a_frame_that_cannot_be_denoised_is_answered_as_the_policy_says(running):
    robot = running
    robot.denoised(DEPTH, INFRARED, CAMERA)
    for policy in ("silence", "passthrough", "invalid"):
        assert robot.set(on_failure=policy)[0].successful
        before = len(robot.images)
        robot.send(DEPTH, INFRARED, CAMERA, infrared_encoding=f"of {policy}")
        status = robot.reported("output", f"encoding 'of {policy}'")
        assert status.level == ERROR
        assert {v.key: v.value for v in status.values}["on failure"] == policy
        header = robot.denoised(DEPTH, INFRARED, CAMERA)
        robot.wait(lambda h=header: robot.images[-1].header == h, "the sound frame")
        assert len(robot.images) - before == (1 if policy == "silence" else 2)
        if policy != "silence":
            depth, confidence = pixels(robot.images[-2], "u2"), pixels(robot.confidences[-2], "f4")
            expected = DEPTH if policy == "passthrough" else np.zeros_like(DEPTH)
            np.testing.assert_array_equal(depth, expected)
            np.testing.assert_array_equal(np.isnan(confidence), expected > 0)
    assert robot.set(on_failure="passthrough")[0].successful
    before = len(robot.images)
    robot.send(DEPTH, INFRARED, CAMERA, change=coloured)
    robot.reported("output", "encoding 'rgb8'")
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert len(robot.images) == before + 1, "what cannot be read is not passed through either"


def test_a_long_run_of_empty_frames_is_a_failure_and_ends_by_itself(running):
    """A costmap takes a cloud without points for free space, so nothing is published."""
    robot = running
    for cause in ("rejected", "covered"):
        robot.denoised(DEPTH, INFRARED, CAMERA)
        if cause == "rejected":
            robot.set(min_confidence=1.0, fill_confidence=1.01)
        frame = (DEPTH if cause == "rejected" else np.zeros_like(DEPTH), INFRARED)
        failed = robot.counts()["failed"]
        send_until(robot, lambda n=failed: int(robot.values("output")["failed"]) > n, cause, frame)
        status = robot.status("output", "0.0 % of the pixels were valid after denoising")
        measured = "98.0" if cause == "rejected" else "0.0"
        assert status.level == ERROR and f"the camera measured {measured} %" in status.message
        before = len(robot.images)
        for _ in range(20):
            robot.send(*frame, CAMERA)
            robot.spin_for(0.02)
        assert len(robot.images) == before
        robot.set(min_confidence=0.3, fill_confidence=0.97)
        robot.denoised(DEPTH, INFRARED, CAMERA)
        assert pixels(robot.images[-1], "u2").any()


def test_denoising_can_be_switched_off_and_on_for_comparison(running):
    robot = running
    answer = robot.call(SetBool, "set_enabled", SetBool.Request(data=False))
    assert answer.success and answer.message == "passing the camera's depth through"
    robot.denoised(DEPTH, INFRARED, CAMERA)
    np.testing.assert_array_equal(pixels(robot.images[-1], "u2"), DEPTH)
    assert robot.status("model", "disabled").level == WARN
    assert robot.call(SetBool, "set_enabled", SetBool.Request(data=True)).success
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert (pixels(robot.images[-1], "u2") != DEPTH).mean() > 0.5


def test_while_denoising_is_switched_off_depth_does_not_wait_for_infrared(running):
    """It is the way back to the camera's depth, whatever became of the other streams."""
    robot = running
    results = robot.set(depth_only=False, infrared_timeout_s=0.2)
    assert all(result.successful for result in results)
    assert robot.call(SetBool, "set_enabled", SetBool.Request(data=False)).success
    reports, said = robot.reports, set()
    for infrared in (INFRARED, None, INFRARED, None):  # half the rate
        robot.denoised(DEPTH, infrared, CAMERA)
    while robot.reports < reports + 3:
        robot.denoised(DEPTH, None, CAMERA)
        said |= {robot.statuses["input"].message} if "input" in robot.statuses else set()
    np.testing.assert_array_equal(pixels(robot.images[-1], "u2"), DEPTH)
    assert said == {"receiving"}
    assert robot.call(SetBool, "set_enabled", SetBool.Request(data=True)).success
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert pixels(robot.confidences[-1], "f4").max() > 0.8, "infrared is used again at once"


def test_depth_out_of_range_is_not_published(running):
    robot = running
    assert robot.set(max_range_m=1.9)[0].successful
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert not pixels(robot.images[-1], "u2").any()
    refused = robot.set(min_range_m=3.0)[0]
    assert not refused.successful and "max_range_m must be 0 or more than min" in refused.reason
    assert robot.set(max_range_m=0.0)[0].successful
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert pixels(robot.images[-1], "u2").any()


# The network -----------------------------------------------------------------------------------


def test_nan_from_the_network_loses_the_frame_and_the_next_is_fine(running):
    robot = running
    robot.send(DEPTH, np.full_like(INFRARED, 255), CAMERA)
    assert "returned NaN or infinity on cpu" in robot.status("output", "NaN").message
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert len(robot.images) == 1


# The camera ------------------------------------------------------------------------------------


def padded(message):
    rows = pixels(message, "u1" if message.encoding == "mono8" else "u2")
    message.step += 6
    message.data = array.array("B", b"".join(row.tobytes() + b"\xff" * 6 for row in rows))


def big_endian(message):
    message.is_bigendian = 1
    message.data = array.array("B", pixels(message, "u2").byteswap().tobytes())


def odd_metres():
    metres = (DEPTH / 1000).astype(np.float32)
    metres[::7], metres[1::7], metres[2::7], metres[3::7] = np.nan, np.inf, -1.0, 1e30
    return metres


ODD = {
    "padded": (DEPTH, "16UC1", padded),
    "big-endian": (DEPTH, "16UC1", big_endian),
    "all zero": (np.zeros_like(DEPTH), "16UC1", None),
    "all 65535": (np.full_like(DEPTH, 65535), "16UC1", None),
    "NaN, infinite, negative and huge metres": (odd_metres(), "32FC1", None),
    "nothing but NaN": (np.full(DEPTH.shape, np.nan, np.float32), "32FC1", None),
}


def test_odd_frames_are_denoised_as_the_offline_core_does(robot):
    start(robot, model_path=DEFAULT_MODEL)
    offline = Denoiser(Model.load(), CAMERA)
    for name, (depth, encoding, change) in ODD.items():
        robot.denoised(depth, INFRARED, CAMERA, encoding=encoding, change=change)
        as_sent = read_depth(image_message(depth, encoding, robot.next_header()))
        expected = np.rint(offline.denoise(as_sent, INFRARED).depth_mm)
        expected[np.isposinf(as_sent)] = 0  # beyond the sensor's range, not a hole to fill
        np.testing.assert_array_equal(pixels(robot.images[-1], "u2"), expected, name)
        confidence = pixels(robot.confidences[-1], "f4")
        assert ((confidence >= 0) & (confidence <= 1)).all(), name
        robot.denoised(DEPTH, INFRARED, CAMERA)
    assert wait_accounted(robot)["frames out"] == 2 * len(ODD)


def empty(message):
    message.width = message.height = message.step = 0
    message.data = array.array("B")


def enormous(message):
    message.width = message.height = message.step = 2**32 - 1


def short(message):
    message.data = message.data[:-1]


BROKEN = {
    "depth is 0x0: an empty image": {"change": empty},
    "depth is cut off": {"change": short},
    "depth has a step of 4294967295 bytes": {"change": enormous},
    "depth has encoding 'rgb8'": {"change": coloured},
    "encoding 'yuv9'": {"infrared_encoding": "yuv9"},
    "depth must be 64x48 as its camera_info says": {"camera": camera(64, 48)},
    "depth must be 128x96 as its camera_info says": {"depth": noisy_wall(160, 112)[0]},
}


def test_broken_frames_are_lost_and_reported_and_the_next_is_fine(running):
    robot = running
    counted = robot.counts()
    for complaint, fault in BROKEN.items():
        frame = {"depth": DEPTH, "infrared": INFRARED, "camera": CAMERA} | fault
        before = len(robot.images)
        robot.send(**frame)
        assert robot.reported("output", complaint).level == ERROR
        robot.denoised(DEPTH, INFRARED, CAMERA)
        assert len(robot.images) == before + 1, complaint
    assert wait_accounted(robot, counted)["failed"] == len(BROKEN)


def test_one_oversized_camera_info_costs_its_frame_and_no_warm_up(robot):
    """A device that computes an image of this size hangs here, or would run out of memory."""
    inject(robot, "if depth_mm.shape[1] > 848: time.sleep(3600)")
    start(robot)
    robot.denoised(DEPTH, INFRARED, CAMERA)
    robot.send(DEPTH, INFRARED, camera(4096, 4096))
    assert robot.reported("output", "depth must be 4096x4096 as its camera_info").level == ERROR
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert len(robot.images) == 2


IMPOSSIBLE = {
    "focal lengths 0.0, 425.0": {"k": [0.0, 0, 64, 0, 425.0, 48, 0, 0, 1]},
    "focal lengths nan, 425.0": {"k": [np.nan, 0, 64, 0, 425.0, 48, 0, 0, 1]},
    "a size of 0x96": {"width": 0},
    "a size of 4294967295x96": {"width": 2**32 - 1},
}


def test_an_impossible_camera_info_is_reported_and_the_last_valid_one_serves(running):
    """With the policy `invalid` an image as large as camera_info says would be made."""
    robot = running
    assert robot.set(on_failure="invalid")[0].successful
    for complaint, wrong in IMPOSSIBLE.items():
        info = camera_info(CAMERA, robot.next_header())
        for name, value in wrong.items():
            setattr(info, name, value)
        if "k" in wrong:
            info.p[0] = info.k[0]
        robot.info.publish(info)
        before = len(robot.images)
        status = robot.reported("input", complaint, during=lambda: step(robot, camera_info=None))
        assert status.level == WARN
        robot.wait_images(before + 1)
        assert robot.infos[-1].width == SIZE[0] and pixels(robot.images[-1], "u2").any()
    robot.denoised(DEPTH, INFRARED, CAMERA)
    robot.denoised(DEPTH[:-1], INFRARED, CAMERA)
    assert not pixels(robot.images[-1], "u2").any()
    robot.denoised(DEPTH, INFRARED, CAMERA)


def test_a_camera_that_is_unplugged_is_reported_and_may_come_back_as_another(running):
    """At another resolution and in metres, and then as it was."""
    robot = running
    robot.denoised(DEPTH, INFRARED, CAMERA)
    for size, encoding in (((160, 112), "32FC1"), (SIZE, "mono16")):
        robot.unplug()
        assert robot.reported("input", "no input: nobody publishes").level == WARN
        assert robot.status("input", "no input: waiting for").level == WARN
        robot.plug_in()
        robot.wait_connected()
        depth, infrared = noisy_wall(*size)
        if encoding == "32FC1":
            depth = (depth / 1000).astype(np.float32)

        frame = depth, infrared, camera(*size)

        def arrived(frame=frame, width=size[0], encoding=encoding):
            robot.send(*frame, encoding=encoding)
            robot.spin_for(0.02)
            return robot.images[-1].width == width and says(robot, "input", "receiving")

        robot.wait(arrived, f"images of {size}")
        assert pixels(robot.images[-1], "u2").any()
