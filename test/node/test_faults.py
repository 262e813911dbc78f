"""What the running node does when something breaks; docs/faults.md is the table of these."""

import array
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from scenes import Scaled, camera, manifest, noisy_wall

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool

from node.robot import RUN_MAINS, TIMEOUT_S, Robot, camera_info, pixels, run_mains
from rs_denoise.denoiser import Denoiser
from rs_denoise.model import Model, save
from rs_denoise.node.images import image_message, read_depth
from rs_denoise.shipped_models import DEFAULT_MODEL

OK, WARN, ERROR = b"\0", b"\1", b"\2"
SIZE = (128, 96)
DEPTH, INFRARED = noisy_wall(*SIZE)
CAMERA = camera(*SIZE)
HALF_INFRARED = noisy_wall(SIZE[0] // 2, SIZE[1] // 2)[1]


class NanWhenDazzled(nn.Module):
    """A network that takes no time, and breaks on white infrared."""

    def forward(self, disparity_px, infrared):
        broken = torch.where(infrared.amin() == 255, torch.nan, 0.99)
        return disparity_px * broken, torch.full_like(disparity_px, 0.05)


@pytest.fixture(scope="module")
def simple(tmp_path_factory):
    """A model file for faults in which the network has no part."""
    path = tmp_path_factory.mktemp("model") / "simple.pt"
    save(NanWhenDazzled(), manifest(), path)
    return path


@pytest.fixture
def robot(robot, simple):
    """A robot for one test, which starts the node itself."""
    robot.model_path = simple
    return robot


@pytest.fixture
def running(shared_robot, simple):
    """The robot of this module, whose node runs with a simple model."""
    shared_robot.reset((DEPTH, INFRARED), CAMERA, baseline_m=0.05, model_path=simple)
    shared_robot.model_path = simple
    return shared_robot


def start(robot, **parameters):
    robot.plug_in()
    robot.start(**{"baseline_m": 0.05, "model_path": robot.model_path} | parameters)
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


def wait_accounted(robot, before=None):
    """Until every frame that came in is published, dropped, failed or unpaired; the counts.

    Args:
        before: counts that are subtracted.
    """
    while True:
        n = {name: count - (before or {}).get(name, 0) for name, count in robot.counts().items()}
        ends = n["frames out"] + n["dropped"] + n["failed"] + n["unpaired"]
        if n["frames in"] == ends:
            return n
        assert ends < n["frames in"], f"counted more than once: {n}"


def step(robot, infrared=INFRARED, camera_info=CAMERA, **how):
    """One frame of a 50 Hz camera."""
    robot.send(DEPTH, infrared, camera_info, **how)
    robot.spin_for(0.02)


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
    """To a costmap a cloud without points is a free path: silence stops the robot."""
    robot = running
    for cause in ("rejected", "covered"):
        robot.denoised(DEPTH, INFRARED, CAMERA)
        if cause == "rejected":
            robot.set(min_confidence=1.0, fill_confidence=1.01)
        frame = (DEPTH if cause == "rejected" else np.zeros_like(DEPTH), INFRARED)
        failed = robot.counts()["failed"]
        send_until(robot, lambda n=failed: int(robot.values("output")["failed"]) > n, cause, frame)
        status = robot.status("output", "0.0 % of the pixels came out valid")
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


# The network and its device --------------------------------------------------------------------


def test_nan_from_the_network_loses_the_frame_and_the_next_is_fine(running):
    robot = running
    robot.send(DEPTH, np.full_like(INFRARED, 255), CAMERA)
    assert "gave NaN or infinity on cpu" in robot.status("output", "NaN").message
    robot.denoised(DEPTH, INFRARED, CAMERA)
    assert len(robot.images) == 1


INJECTION = """
import sys
import time
import torch
from rs_denoise.denoiser import Denoiser
from rs_denoise.node.main import main

estimate = Denoiser.estimate

def broken(self, depth_mm, infrared=None, infrared_right=None):
    dazzled = infrared is not None and infrared.min() >= 254
    {fault}
    return estimate(self, depth_mm, infrared, infrared_right)

Denoiser.estimate = broken
"""
DAZZLED = np.full_like(INFRARED, 255)


def inject(robot, fault):
    """No GPU here: what CUDA would raise is raised where the network would be run."""
    robot.program = [
        sys.executable,
        "-c",
        INJECTION.format(fault=fault) + "sys.exit(main(sys.argv))",
    ]


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
    faults = dict(zip((1536, 1024), complaints, strict=True))  # by tile_px
    injection = INJECTION.format(fault="raise RuntimeError(faults[self.tiling.tile_px])")
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
    text = "although depth arrives: a frame has been in work for"
    status = robot.wait(lambda: step(robot, DAZZLED) or says(robot, "output", text), text)
    assert status.level == ERROR
    assert robot.exit_code() == 1, robot.log
    robot.spin_for(0.5)
    assert "the device hangs, or is so slow" in robot.statuses["output"].message
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
    "depth must be 64x48 numbers as its camera_info says": {"camera": camera(64, 48)},
    "depth must be 128x96 numbers": {"depth": noisy_wall(160, 112)[0]},
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


# Stamps and infrared ---------------------------------------------------------------------------


def test_stamps_that_repeat_drift_or_jump_and_infrared_that_is_late_slow_or_lost(running):
    """One node goes through all of it; each is reported and passes by itself."""
    robot = running
    counted = robot.counts()
    disturbances = (repeat, jump_ahead, drift, come_late, come_at_half_rate, get_lost)
    for disturb in (*disturbances, be_of_another_size):
        robot.denoised(DEPTH, INFRARED, CAMERA)
        disturb(robot)
        send_until(robot, lambda: says(robot, "input", "receiving"), f"recovery: {disturb}")
        robot.denoised(DEPTH, INFRARED, CAMERA)
        assert pixels(robot.confidences[-1], "f4").max() > 0.8
    wait_accounted(robot, counted)


def repeat(robot):
    counted = robot.counts()
    header, before = robot.denoised(DEPTH, INFRARED, CAMERA), len(robot.images)
    for _ in range(5):
        robot.send(DEPTH, INFRARED, CAMERA, header=header)
    assert robot.reported("output", f"arrived twice with stamp {header.stamp.sec}.").level == ERROR
    # The middleware keeps the newest two for a node that is busy.
    assert 2 <= wait_accounted(robot, counted)["failed"] <= 5 and len(robot.images) == before


def jump_ahead(robot):
    robot._stamp += 10**13  # some hours
    robot.denoised(DEPTH, INFRARED, CAMERA)


def drift(robot):
    before, shift_ms = len(robot.images), itertools.count()

    def reported():
        step(robot, infrared_shift_ms=next(shift_ms) // 4)
        return says(robot, "input", "no infrared image matches")

    assert robot.wait(reported, "the drift to be reported").level == WARN
    assert len(robot.images) > before, "stamps within slop_ms are paired"

    def alone():
        """As with an emitter that alternates: depth of lit frames, infrared of dark ones."""
        step(robot, infrared_shift_ms=16)
        return says(robot, "input", "no infrared image matches depth: depth only")

    assert robot.wait(alone, "depth alone").level == WARN
    # Of that report: while one waited for the next, a silent camera would give infrared new time.
    unpaired = int(robot.values("input")["unpaired"])
    for _ in range(5):
        robot.denoised(DEPTH, INFRARED, CAMERA, infrared_shift_ms=16)
    assert pixels(robot.confidences[-1], "f4").max() <= 0.8
    assert robot.counts()["unpaired"] == unpaired and int(robot.values("input")["depth alone"]) >= 5


def come_late(robot):
    before = robot.counts()["unpaired"]
    for _ in range(10):
        robot.denoised(DEPTH, INFRARED, CAMERA, infrared_delay_s=0.02)
    assert robot.counts()["unpaired"] == before


def come_at_half_rate(robot):
    before, turn = len(robot.images), itertools.cycle([INFRARED, None])

    def reported():
        step(robot, infrared=next(turn))
        return says(robot, "input", "no infrared image matches")

    robot.wait(reported, "half the rate to be reported")
    assert len(robot.images) > before


def be_of_another_size(robot):
    counted, before = robot.counts(), len(robot.images)

    def reported():
        step(robot, infrared=HALF_INFRARED)
        return says(robot, "input", "infrared does not fit depth") and len(robot.images) > before

    robot.wait(reported, "the other size")
    message = robot.statuses["input"].message
    assert robot.statuses["input"].level == WARN
    assert "infrared is 64x48 and depth is 128x96: set decimation_filter.enable" in message
    assert message in robot.log
    robot.wait_images(before + 1)
    assert pixels(robot.confidences[-1], "f4").max() <= 0.8
    assert robot.counts()["failed"] == counted["failed"]
    robot.set(depth_only=False)
    robot.wait(lambda: step(robot, HALF_INFRARED) or says(robot, "input", "no output"), "the loss")
    robot.set(depth_only=True)


def get_lost(robot):
    def reported():
        step(robot, infrared=None)
        return says(robot, "input", "no infrared on") and len(robot.images) > before

    before = len(robot.images)
    robot.wait(reported, "depth alone")
    robot.wait_images(before + 1)
    assert pixels(robot.confidences[-1], "f4").max() <= 0.8


def test_a_simulation_that_never_starts_or_starts_again(robot):
    """Timers on its clock would stand still, and with them listening and diagnostics."""
    start(robot, use_sim_time="true")  # connected: nobody has published /clock yet
    robot.denoised(DEPTH, INFRARED, CAMERA)
    clock = robot.node.create_publisher(Clock, "/clock", 10)
    robot.wait(lambda: clock.get_subscription_count() > 0, "the node to follow /clock")
    try:
        for second in (100, 5):
            robot._stamp = second * 10**9
            for _ in range(3):
                clock.publish(Clock(clock=robot.next_header().stamp))
                robot.send(DEPTH, INFRARED, CAMERA)
            robot.denoised(DEPTH, INFRARED, CAMERA)
    finally:
        robot.node.destroy_publisher(clock)
    counts = wait_accounted(robot)
    assert counts["clock jumps"] == 1 and counts["failed"] == 0


# Load and consumers ----------------------------------------------------------------------------


def test_a_flood_is_dropped_and_counted_and_never_queued(robot):
    """90 Hz for three seconds to a network that takes 50 ms: a queue would end 10 s behind."""
    inject(robot, "time.sleep(0.05)")
    start(robot)
    robot.denoised(DEPTH, INFRARED, CAMERA)
    sent, behind = {}, []
    for k in range(270):
        before = len(robot.images)
        header = robot.send(DEPTH, INFRARED, CAMERA)
        sent[header.stamp.sec, header.stamp.nanosec] = k
        robot.spin_for(1 / 90)
        behind += [k - sent.get((i.header.stamp.sec, i.header.stamp.nanosec), k)
                   for i in robot.images[before:]]  # fmt: skip
    counts = wait_accounted(robot)
    assert len(behind) > 5 and max(behind) < 90, behind
    assert counts["dropped"] > 50 and counts["frames in"] > 135
    assert float(robot.values("output")["latency max (ms)"].replace("-", "0")) < 1000
    robot.denoised(DEPTH, INFRARED, CAMERA)


DEAF = """
import sys
import rclpy
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("deaf")
node.create_subscription(Image, sys.argv[1], print, QoSProfile(depth=10))
sys.stdin.read()  # it never spins
"""


@pytest.fixture
def deaf(running):
    """A consumer of the same image that never takes one; it can be stopped altogether."""
    robot = running
    topic = f"{robot.namespace}/denoised/image_rect_raw"
    process = subprocess.Popen([sys.executable, "-c", DEAF, topic], stdin=subprocess.PIPE)
    robot.wait(lambda: robot.node.count_subscribers(topic) == 2, "the deaf consumer")
    yield process
    process.kill()
    process.wait()


def test_a_consumer_that_is_slow_stopped_or_killed_takes_nothing_from_the_others(running, deaf):
    robot = running
    counted = robot.counts()
    for how in (None, signal.SIGSTOP, signal.SIGKILL):
        if how is not None:
            deaf.send_signal(how)
        for _ in range(40):
            robot.denoised(DEPTH, INFRARED, CAMERA)
    assert wait_accounted(robot, counted)["frames out"] == 120


def test_a_storm_of_parameters_while_frames_flow(running):
    robot = running
    counted = robot.counts()
    rng = random.Random(1)
    client = robot.node.create_client(
        SetParameters, f"{robot.namespace}/denoise_node/set_parameters"
    )
    robot.wait(client.service_is_ready, "set_parameters")
    sets = [(rng.choice(LEGAL), True) for _ in range(200)]
    sets += [(rng.choice(ILLEGAL), False) for _ in range(100)]
    rng.shuffle(sets)
    for batch in (sets[at : at + 6] for at in range(0, len(sets), 6)):
        calls = [
            client.call_async(
                SetParameters.Request(parameters=[Parameter(*change).to_parameter_msg()])
            )
            for change, _ in batch
        ]
        robot.denoised(DEPTH, INFRARED, CAMERA)
        robot.wait(lambda calls=calls: all(c.done() for c in calls), "answers")
        answers = [c.result().results[0].successful for c in calls]
        assert answers == [legal for _, legal in batch], batch
    robot.node.destroy_client(client)
    assert {image.encoding for image in robot.images} == {"16UC1", "32FC1"}
    assert wait_accounted(robot, counted)["failed"] == 0
    robot.set(min_confidence=0.3, fill_confidence=0.97, max_range_m=0.0, output_encoding="16UC1",
              baseline_m=0.05, slop_ms=5.0)  # fmt: skip
    robot.denoised(DEPTH, INFRARED, CAMERA)
    expected = Denoiser(Model.load(robot.model_path), CAMERA).denoise(DEPTH, INFRARED)
    np.testing.assert_array_equal(pixels(robot.images[-1], "u2"), np.rint(expected.depth_mm))


LEGAL = [
    ("min_confidence", Parameter.Type.DOUBLE, 0.3),
    ("min_confidence", Parameter.Type.DOUBLE, 0.5),
    ("fill_confidence", Parameter.Type.DOUBLE, 1.01),
    ("max_range_m", Parameter.Type.DOUBLE, 5.0),
    ("output_encoding", Parameter.Type.STRING, "16UC1"),
    ("output_encoding", Parameter.Type.STRING, "32FC1"),
    ("baseline_m", Parameter.Type.DOUBLE, 0.055),
    ("slop_ms", Parameter.Type.DOUBLE, 3.0),
]
ILLEGAL = [
    ("min_confidence", Parameter.Type.DOUBLE, 1.5),
    ("min_confidence", Parameter.Type.DOUBLE, float("nan")),
    ("min_confidence", Parameter.Type.STRING, "high"),
    ("output_encoding", Parameter.Type.STRING, "rgb8"),
    ("slop_ms", Parameter.Type.DOUBLE, -1.0),
    ("model_path", Parameter.Type.STRING, "/other.pt"),
    ("no_such_parameter", Parameter.Type.INTEGER, 1),
]


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
    save(Scaled(), replace(manifest(), name="another"), path)
    assert robot.transition("configure") and robot.transition("activate")
    robot.wait_connected()
    robot.denoised(DEPTH, INFRARED, CAMERA)
    robot.wait(lambda: robot.values("model")["model"] == "another", "its name")


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


def test_two_nodes_of_one_name_are_reported(running):
    """ROS permits it. Consumers get the images of both, and the services answer twice."""
    robot = running
    second = Robot(robot.node, robot.namespace)
    second.start(baseline_m=0.05, model_path=robot.model_path)
    topic = f"{robot.namespace}/denoised/image_rect_raw"
    warnings, seen = 0, robot.reports

    def both_warn():
        """Each reports once a second, both under one name: four reports in a row are of both."""
        nonlocal warnings, seen
        if robot.reports > seen:
            seen, status = robot.reports, robot.statuses["output"]
            warned = status.level == WARN and f"1 more publishing {topic}" in status.message
            warnings = warnings + 1 if warned else 0
        return warnings >= 4

    try:
        second.wait(lambda: robot.node.count_publishers(topic) == 2, "the second")
        robot.wait(both_warn, "both nodes to report the other one")
        robot.denoised(DEPTH, INFRARED, CAMERA)
    finally:
        assert second.stop() == 0
    robot.status("output", "running")
    robot.denoised(DEPTH, INFRARED, CAMERA)


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


def test_with_dev_shm_full_the_node_goes_over_udp_and_says_so(simple):
    """The driver had its share of it before, as where many nodes run in a container."""
    mount = "mount -t tmpfs -o size=64m tmpfs /dev/shm"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("may not mount a private /dev/shm here: run as root, with unshare")
    program = [sys.executable, "-c", FULL, simple]
    result = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", *program],
        capture_output=True, text=True, timeout=3 * TIMEOUT_S, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert "free 0 images 20 exit 0" in result.stdout, result.stdout + result.stderr
    if "rmw_fastrtps" in os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps"):
        assert "SHM" in result.stdout, "Fast DDS says why it does without shared memory"
