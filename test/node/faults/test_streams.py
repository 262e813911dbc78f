"""Faults of stamps, infrared, load and consumers, with a running node."""

import itertools
import random
import signal
import subprocess
import sys

import numpy as np
import pytest

from scenes import noisy_wall

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from node.faults.faulty_node import ERROR, WARN, inject, says, start, wait_accounted
from node.faults.steady_camera import CAMERA, DEPTH, INFRARED, SIZE, send_until, step
from node.messages import pixels
from node.robot import Robot
from rs_denoise.denoiser import Denoiser
from rs_denoise.model import Model

HALF_INFRARED = noisy_wall(SIZE[0] // 2, SIZE[1] // 2)[1]


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
            warned = status.level == WARN and f"{topic} has other publishers (1)" in status.message
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
