"""A topic that the node subscribes to, over DDS."""

import time

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo

from rs_denoise.node.inputs import Input


def test_a_message_that_a_publisher_keeps_can_be_requested_again(ros):
    node = rclpy.create_node("kept_calibration")
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = node.create_publisher(CameraInfo, "kept/camera_info", qos)
    arrived = []
    source = Input(node, CameraInfo, "kept/camera_info", arrived.append, latched=True)

    def wait(condition):
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            rclpy.spin_once(node, timeout_sec=0.05)

    try:
        publisher.publish(CameraInfo(width=848))
        wait(lambda: source.has_publisher)
        source.open("auto")
        wait(lambda: len(arrived) == 1)
        source.request_kept()
        source.open("auto")
        wait(lambda: len(arrived) == 2)
        assert [info.width for info in arrived] == [848, 848]
    finally:
        node.destroy_node()
