"""The topics that the node subscribes to. Reliability and durability follow the publishers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image

from rs_denoise.node.assembler import FrameAssembler
from rs_denoise.node.calibration import CameraCalibration
from rs_denoise.node.topic_error import explained

# realsense2_camera's messages are needed for one optional topic only, and not installed everywhere.
try:
    from realsense2_camera_msgs.msg import Extrinsics
except ImportError:
    Extrinsics = None

DEPTH, CAMERA_INFO = "depth/image_rect_raw", "depth/camera_info"
BEST_EFFORT = ReliabilityPolicy.BEST_EFFORT
TRANSIENT, VOLATILE = DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE
# Not reliability, which the parameter input_reliability sets, nor durability, which follows the
# publishers: rclpy would keep the policy of the first subscription, made before these were known.
OVERRIDABLE = QoSOverridingOptions([QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH])
HISTORIES = ("keep_last", "keep_all", "system_default")
QUEUE, MAX_QUEUE = 2, 2**31 - 1


class Input:
    """One topic, subscribed to while it is open.

    A best-effort subscription matches every publisher. A reliable one matches only reliable
    publishers, but loses nothing. "auto" is reliable if every publisher offers it.

    Args:
        node: the node that subscribes.
        kind: the type of the messages.
        topic: name, to be resolved.
        callback: takes a message.
        latched: whether an old message is still valid, so that it is requested if every publisher
            keeps it for late subscribers (transient local durability).

    Raises:
        TopicError: a parameter qos_overrides of this topic is impossible.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        latched: bool = False,
    ) -> None:
        self._node, self._kind, self._topic, self._callback = node, kind, topic, callback
        self._latched = latched
        self._subscription: Any = None
        self._policies: tuple[ReliabilityPolicy, DurabilityPolicy] | None = None
        with explained(self.topic):
            self._declare_qos()

    @property
    def topic(self) -> str:
        """The full name, remapped."""
        return self._node.resolve_topic_name(self._topic)

    @property
    def has_publisher(self) -> bool:
        """Whether the topic has a publisher."""
        return self._node.count_publishers(self.topic) > 0

    def open(self, reliability: str) -> None:
        """Subscribes, or subscribes again if what the publishers offer has changed.

        Args:
            reliability: "auto", "reliable" or "best_effort".

        Raises:
            TopicError: as of `explained`.
        """
        policies = self._choose(reliability)
        if self._subscription is not None and policies == self._policies:
            return
        self.close()
        self._policies = policies
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=QUEUE,
            reliability=policies[0],
            durability=policies[1],
        )
        with explained(self.topic):
            self._subscription = self._node.create_subscription(
                self._kind, self._topic, self._callback, qos, qos_overriding_options=OVERRIDABLE
            )

    def close(self) -> None:
        """Unsubscribes: a RealSense driver then stops sending."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _declare_qos(self) -> None:
        """Declares what OVERRIDABLE lists, which rclpy would do with the first subscription.

        An impossible value then fails at the start, not when the first consumer comes.
        """
        name = f"qos_overrides.{self.topic}.subscription"
        queue = IntegerRange(from_value=0, to_value=MAX_QUEUE)
        for parameter, default, limits in (
            (f"{name}.history", "keep_last", []), (f"{name}.depth", QUEUE, [queue]),
        ):  # fmt: skip
            if not self._node.has_parameter(parameter):  # else another input has this topic too
                described = ParameterDescriptor(read_only=True, integer_range=limits)
                self._node.declare_parameter(parameter, default, described)
        history = self._node.get_parameter(f"{name}.history").value
        if history not in HISTORIES:
            raise ValueError(f"history must be one of {', '.join(HISTORIES)}, got '{history}'")

    def _choose(self, reliability: str) -> tuple[ReliabilityPolicy, DurabilityPolicy]:
        offers = [p.qos_profile for p in self._node.get_publishers_info_by_topic(self.topic)]
        if not offers and self._policies is not None and reliability == "auto":
            return self._policies  # unplugged: keep them until a publisher comes back
        reliable = _all_offer(ReliabilityPolicy.RELIABLE, [o.reliability for o in offers])
        if self._latched and _all_offer(TRANSIENT, [o.durability for o in offers]):
            # Regardless of the user's setting: nothing is kept for a best-effort subscription.
            return ReliabilityPolicy.RELIABLE if reliable else BEST_EFFORT, TRANSIENT
        if reliability != "auto":
            return ReliabilityPolicy[reliability.upper()], VOLATILE
        return ReliabilityPolicy.RELIABLE if reliable else BEST_EFFORT, VOLATILE


def _all_offer(policy: Any, offered: list[Any]) -> bool:
    return bool(offered) and all(each == policy for each in offered)


@dataclass(frozen=True)
class Inputs:
    """The node's inputs by name.

    Attributes:
        depth, infrared: images.
        infrared_right: image of the right imager, optional.
        camera_info: of depth.
        infrared_info: camera_info of infrared, optional.
        baseline: topics that provide the baseline, optional.
    """

    depth: Input
    infrared: Input
    infrared_right: Input
    camera_info: Input
    infrared_info: Input
    baseline: tuple[Input, ...]

    @property
    def required(self) -> tuple[Input, ...]:
        """The inputs that every frame needs."""
        return self.depth, self.camera_info, self.infrared

    def open(self, reliability: str, with_right: bool) -> None:
        """Subscribes to the topics.

        Args:
            reliability: as of `Input.open`.
            with_right: whether right infrared is used.
        """
        # Those of the baseline too if the user sets it: that may be the one of another camera.
        for topic in (*self.required, self.infrared_info, *self.baseline):
            topic.open(reliability)
        if with_right:
            self.infrared_right.open(reliability)
        else:
            self.infrared_right.close()

    def close(self) -> None:
        """Unsubscribes from all."""
        for topic in (*self.required, self.infrared_info, self.infrared_right, *self.baseline):
            topic.close()


def make_inputs(
    node: Node,
    on_depth: Callable[[Image], None],
    assembler: FrameAssembler,
    calibration: CameraCalibration,
) -> Inputs:
    """Connects the topics of a camera with the functions that process their messages."""

    def latched(kind: type, topic: str, callback: Callable[[Any], None]) -> Input:
        return Input(node, kind, topic, callback, latched=True)

    baseline = [latched(CameraInfo, "infra2/camera_info", calibration.update_from_right_info)]
    if Extrinsics is not None:
        topic = "extrinsics/depth_to_infra2"
        baseline.append(latched(Extrinsics, topic, calibration.update_from_extrinsics))
    return Inputs(
        depth=Input(node, Image, DEPTH, on_depth),
        infrared=Input(node, Image, "infra1/image_rect_raw", assembler.add_infrared),
        infrared_right=Input(node, Image, "infra2/image_rect_raw", assembler.add_infrared_right),
        camera_info=latched(CameraInfo, CAMERA_INFO, assembler.add_camera_info),
        infrared_info=latched(CameraInfo, "infra1/camera_info", calibration.update_from_left_info),
        baseline=tuple(baseline),
    )


def describe_absent(node: Node, inputs: Inputs) -> str | None:
    """Lists the required topics without a publisher, and what may help; None if there are none."""
    absent = [source.topic for source in inputs.required if not source.has_publisher]
    if not absent:
        return None
    message = f"nobody publishes {', '.join(absent)}"
    if inputs.depth.topic not in absent:
        return f"{message}: enable these streams of the camera (enable_infra1:=true)"
    if node.get_namespace() == "/":
        message += "; the node has no namespace, so it looks for the camera's topics in /"
    cameras = _find_camera_namespaces(node)
    advice = " or ".join(f"--ros-args -r __ns:={namespace}" for namespace in cameras)
    return f"{message}; " + (
        f"there is a camera elsewhere: start the node with {advice}"
        if cameras
        else "is the camera driver running? Its namespace must be the node's, as in "
        "--ros-args -r __ns:=/camera/camera"
    )


def _find_camera_namespaces(node: Node) -> list[str]:
    end = f"/{DEPTH}"
    names = [name for name, _ in node.get_topic_names_and_types()]
    published = (name for name in names if name.endswith(end) and node.count_publishers(name) > 0)
    return sorted(name.removesuffix(end) for name in published if name != end)
