"""Receives the denoised images, as a consumer such as Nav2 would."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import SetBool

from rs_denoise.node.images import read_depth

IMAGE = "denoised/image_rect_raw"


@dataclass(frozen=True)
class ReceivedImage:
    """A denoised image.

    Attributes:
        stamp_ns: of its header.
        latency_s: from its stamp until it arrived here; both clocks are this machine's.
        depth_mm: [H, W], 0 = invalid.
    """

    stamp_ns: int
    latency_s: float
    depth_mm: np.ndarray


class Collector(Node):
    """Subscribes to the node's outputs and keeps them.

    Attributes:
        received: denoised images in order of arrival.
        stage_times_ms: median times of the stages of a frame, as /diagnostics reported them last.
        model: what /diagnostics reported last of the model that runs.
    """

    def __init__(self, **node_arguments) -> None:
        super().__init__("collector", **node_arguments)
        self.received: list[ReceivedImage] = []
        self.stage_times_ms: dict[str, float] = {}
        self.model: dict[str, str] = {}
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._set_enabled = self.create_client(SetBool, "denoise_node/set_enabled")

    @property
    def connected(self) -> bool:
        """Whether the denoising node publishes and can be asked to stop denoising."""
        publishes = self.count_publishers(self.resolve_topic_name(IMAGE)) > 0
        return publishes and self._set_enabled.service_is_ready()

    def subscribe(self) -> None:
        """Starts to receive: the node works only while somebody listens."""
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        # Like every consumer of images: the node only publishes topics with subscribers.
        self.create_subscription(CameraInfo, "denoised/camera_info", lambda _: None, qos)
        self.create_subscription(Image, IMAGE, self._on_image, qos)

    def disable_denoising(self) -> Future:
        """Asks the node to pass the camera's depth through; its answer is a SetBool.Response."""
        return self._set_enabled.call_async(SetBool.Request(data=False))

    def _on_image(self, message: Image) -> None:
        stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        latency = (self.get_clock().now().nanoseconds - stamp) / 1e9
        self.received.append(ReceivedImage(stamp, latency, read_depth(message)))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith("denoise_node: model"):
                self.model = {pair.key: pair.value for pair in status.values}
            if status.name.endswith("denoise_node: output"):
                self.stage_times_ms.update(
                    (pair.key.removesuffix(" p50 (ms)"), float(pair.value))
                    for pair in status.values
                    if pair.key.endswith("p50 (ms)") and pair.value != "-"
                )
