"""The player of recordings over DDS."""

import os
import time

import numpy as np
import pytest

from rs_denoise.recordings.frame import Frame
from scenes import camera, noisy_wall

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from sensor_msgs.msg import Image

from rs_denoise.benchmark.ros.player import Player

WIDTH, HEIGHT = 96, 64
NAMESPACE = f"/player{os.getpid()}"


@pytest.fixture
def context():
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    rclpy.try_shutdown(context=context)


@pytest.mark.parametrize("with_right", [True, False])
def test_every_image_of_a_frame_is_published_on_the_drivers_topic(context, with_right):
    depth, infrared = noisy_wall(WIDTH, HEIGHT)
    right = 255 - infrared if with_right else None
    frame = Frame("0", camera(WIDTH, HEIGHT), depth, infrared, infrared_right=right)
    expected = {"depth": depth, "infra1": infrared} | ({"infra2": right} if with_right else {})
    player = Player([frame], 30.0, namespace=NAMESPACE, context=context)
    listener = rclpy.create_node("listener", namespace=NAMESPACE, context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(listener)
    received = {}
    for name in ("depth", "infra1", "infra2"):
        take = received.setdefault(name, []).append
        listener.create_subscription(Image, f"{name}/image_rect_raw", take, 10)
    deadline = time.monotonic() + 20
    while not all(received[name] for name in expected) and time.monotonic() < deadline:
        player._publish(frame, 5_000_000_123)
        executor.spin_once(timeout_sec=0.1)
    for name, image in expected.items():
        message = received[name][0]
        pixels = np.frombuffer(message.data, image.dtype).reshape(HEIGHT, WIDTH)
        np.testing.assert_array_equal(pixels, image)
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 123)
        assert message.header.frame_id == f"camera_{name}_optical_frame"
    assert bool(received["infra2"]) == with_right
    executor.shutdown()
    player.destroy_node()
    listener.destroy_node()
