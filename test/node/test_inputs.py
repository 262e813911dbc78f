"""A topic that the node subscribes to, over DDS."""

import time

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo

from rs_denoise.node.inputs import Input


def test_a_kept_message_arrives_also_if_the_publisher_was_found_late(ros):
    node = rclpy.create_node("kept_calibration")
    arrived = []
    source = Input(node, CameraInfo, "kept/camera_info", arrived.append, latched=True)

    def wait(condition):
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            rclpy.spin_once(node, timeout_sec=0.05)

    try:
        source.open("auto")  # nothing is known of the publisher yet
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_publisher(CameraInfo, "kept/camera_info", qos).publish(CameraInfo(width=848))
        wait(lambda: source.has_publisher)
        arrived.clear()  # it may have come while it was published
        source.open("auto")
        wait(lambda: arrived)
        assert arrived[0].width == 848
    finally:
        node.destroy_node()
