"""The topics that the node publishes: depth, its camera_info and confidence, with one stamp."""

from __future__ import annotations

import time

from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image

from rs_denoise.denoiser import Denoised
from rs_denoise.node.frame_reporter import FrameReporter
from rs_denoise.node.images import depth_message, image_message
from rs_denoise.node.topic_error import TopicError, explained
from rs_denoise.pipeline.frame_pipeline import FrameResult


class Outputs:
    """The three publishers of a node. They are reliable, which matches every subscriber.

    Args:
        node: the node that publishes.
        reporter: counts the frames and reports failures.

    Raises:
        TopicError: as of `explained`.
    """

    def __init__(self, node: LifecycleNode, reporter: FrameReporter) -> None:
        self._node, self._reporter = node, reporter
        self._all: list[LifecyclePublisher] = []
        try:
            self._depth = self._create(Image, "denoised/image_rect_raw")
            self._camera_info = self._create(CameraInfo, "denoised/camera_info")
            self._confidence = self._create(Image, "denoised/confidence")
        except TopicError:
            self.close()
            raise

    def _create(self, kind: type, topic: str) -> LifecyclePublisher:
        with explained(self._node.resolve_topic_name(topic)):
            publisher = self._node.create_lifecycle_publisher(
                kind, topic, QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )  # fmt: skip
        self._all.append(publisher)
        return publisher

    @property
    def duplicate_publishers(self) -> str | None:
        """A warning if another node publishes the denoised image too: consumers receive both."""
        topic = self._depth.topic_name
        others = self._node.count_publishers(topic) - 1
        if others <= 0:
            return None
        return (
            f"{topic} has other publishers ({others}), so consumers receive a mixture: stop "
            "the other node, or give each camera a namespace of its own"
        )

    @property
    def topics(self) -> list[str]:
        """Their full names."""
        return [publisher.topic_name for publisher in self._all]

    @property
    def has_subscriber(self) -> bool:
        """Whether any of them has a subscriber."""
        return any(p.get_subscription_count() > 0 for p in self._all)

    def publish(self, result: FrameResult[CameraInfo], encoding: str) -> None:
        """Publishes the output of a frame, if there is any, and reports the result.

        Args:
            result: the pipeline's.
            encoding: that of the depth image, "16UC1" or "32FC1".
        """
        self._reporter.report_result(result)
        if result.output is None:
            return
        ready_ns = time.monotonic_ns()
        try:
            sent = self._send(result.output, result.frame.source, encoding)
        except Exception as error:  # the next frame may be fine
            self._reporter.report_unpublished(result, error)
            return
        if sent:
            self._reporter.count_published(result, ready_ns)

    def _send(self, result: Denoised, info: CameraInfo, encoding: str) -> bool:
        """Sends one frame; False if it was not sent because the process is ending."""
        context = self._node.context
        if not context.ok():
            return False
        messages = (
            (self._depth, lambda: depth_message(result.depth_mm, encoding, info.header)),
            (self._camera_info, lambda: info),
            (self._confidence, lambda: image_message(result.confidence, "32FC1", info.header)),
        )
        try:
            for publisher, make_message in messages:
                # No subscriber, no message: confidence alone is 1.6 MB at 848x480.
                if publisher.get_subscription_count() > 0:
                    publisher.publish(make_message())
        except Exception:  # the context may go down during a publish
            if context.ok():
                raise
            return False
        return True

    def close(self) -> None:
        """Destroys the publishers."""
        for publisher in self._all:
            self._node.destroy_lifecycle_publisher(publisher)
        self._all = []
