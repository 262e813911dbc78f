"""What consumers get: depth, its camera_info and confidence, with one stamp."""

from __future__ import annotations

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image

from rs_denoise.node.images import depth_message, image_message


class Outputs:
    """The three publishers of a node; reliable, because that matches every subscriber."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        reliable = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
        self._publishers = [
            node.create_lifecycle_publisher(
                kind, topic, reliable,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for kind, topic in (
                (Image, "denoised/image_rect_raw"),
                (CameraInfo, "denoised/camera_info"),
                (Image, "denoised/confidence"),
            )
        ]  # fmt: skip

    @property
    def rivals(self) -> str | None:
        """Who else publishes the denoised image, in words; consumers would get both."""
        topic = self._publishers[0].topic_name
        others = self._node.count_publishers(topic) - 1
        if others <= 0:
            return None
        return (
            f"{others} more publishing {topic}, of whose images consumers get a mixture: end the "
            "other node, or give each camera a namespace of its own"
        )

    @property
    def wanted(self) -> bool:
        """Whether somebody listens to any of them."""
        return any(p.get_subscription_count() > 0 for p in self._publishers)

    def publish(
        self, depth_mm: np.ndarray, confidence: np.ndarray, info: CameraInfo, encoding: str
    ) -> bool:
        """Sends one frame; whether it went out, which it does not while the process ends.

        Args:
            depth_mm: [H, W] float32, 0 = invalid.
            confidence: [H, W] float32.
            info: whose header all three carry.
            encoding: of the depth image.
        """
        context = self._node.context
        if not context.ok():
            return False
        messages = (
            lambda: depth_message(depth_mm, encoding, info.header),
            lambda: info,
            lambda: image_message(confidence, "32FC1", info.header),
        )
        try:
            for publisher, message in zip(self._publishers, messages, strict=True):
                # What nobody listens to is not made: confidence alone is 1.6 MB at 848x480.
                if publisher.get_subscription_count() > 0:
                    publisher.publish(message())
        except Exception:  # a publish in flight while the context goes down
            if context.ok():
                raise
            return False
        return True

    def close(self) -> None:
        """Takes them back."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = []
