"""The topics that the node subscribes to. Their reliability follows the publishers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image

from rs_denoise.node.assembler import FrameAssembler
from rs_denoise.node.calibration import CameraCalibration

# realsense2_camera's own messages are needed for one optional topic, and not installed everywhere.
try:
    from realsense2_camera_msgs.msg import Extrinsics
except ImportError:
    Extrinsics = None

CAMERA_INFO = "depth/camera_info"
# Reliability is not among them: the parameter input_reliability sets it.
OVERRIDABLE = QoSOverridingOptions(
    [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.DURABILITY]
)


class Input:
    """One topic, subscribed to while it is open.

    A best-effort subscription matches every publisher. A reliable one matches only reliable
    publishers, but loses nothing. "auto" is reliable if every publisher offers it.
    """

    def __init__(self, node: Node, kind: type, topic: str, callback: Callable[[Any], None]) -> None:
        self._node, self._kind, self._topic, self._callback = node, kind, topic, callback
        self._subscription: Any = None
        self._reliability: ReliabilityPolicy | None = None

    @property
    def topic(self) -> str:
        """The full name, remapped."""
        return self._node.resolve_topic_name(self._topic)

    @property
    def has_publisher(self) -> bool:
        """Whether anybody publishes the topic."""
        return self._node.count_publishers(self.topic) > 0

    def open(self, reliability: str) -> None:
        """Subscribes, or subscribes again if the publishers' reliability has changed.

        Args:
            reliability: "auto", "reliable" or "best_effort".
        """
        policy = self._choose(reliability)
        if self._subscription is not None and policy == self._reliability:
            return
        self.close()
        qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=2, reliability=policy)
        self._reliability = policy
        self._subscription = self._node.create_subscription(
            self._kind, self._topic, self._callback, qos, qos_overriding_options=OVERRIDABLE
        )

    def close(self) -> None:
        """Unsubscribes: a RealSense driver then stops sending."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _choose(self, reliability: str) -> ReliabilityPolicy:
        if reliability != "auto":
            return ReliabilityPolicy[reliability.upper()]
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if not publishers and self._reliability is not None:
            return self._reliability  # unplugged: keep it until a publisher comes back
        reliable = [p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in publishers]
        return (
            ReliabilityPolicy.RELIABLE if reliable and all(reliable)
            else ReliabilityPolicy.BEST_EFFORT
        )  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """The node's inputs by name.

    Attributes:
        depth, infrared: images.
        camera_info: of depth.
        baseline: topics that say the baseline, needed if the user does not.
    """

    depth: Input
    infrared: Input
    camera_info: Input
    baseline: tuple[Input, ...]

    @property
    def required(self) -> tuple[Input, ...]:
        """Those without which no frame is complete."""
        return self.depth, self.camera_info, self.infrared

    def open(self, reliability: str, with_baseline: bool) -> None:
        """Subscribes to the required topics, and on demand to those that say the baseline."""
        for topic in self.required + (self.baseline if with_baseline else ()):
            topic.open(reliability)

    def close(self) -> None:
        """Unsubscribes from all."""
        for topic in self.required + self.baseline:
            topic.close()


def make_inputs(
    node: Node,
    on_depth: Callable[[Image], None],
    assembler: FrameAssembler,
    calibration: CameraCalibration,
) -> Inputs:
    """Connects the topics of a camera with what takes their messages."""
    baseline = [Input(node, CameraInfo, "infra2/camera_info", calibration.update_from_right_info)]
    if Extrinsics is not None:
        topic = "extrinsics/depth_to_infra2"
        baseline.append(Input(node, Extrinsics, topic, calibration.update_from_extrinsics))
    return Inputs(
        depth=Input(node, Image, "depth/image_rect_raw", on_depth),
        infrared=Input(node, Image, "infra1/image_rect_raw", assembler.add_infrared),
        camera_info=Input(node, CameraInfo, CAMERA_INFO, assembler.add_camera_info),
        baseline=tuple(baseline),
    )
