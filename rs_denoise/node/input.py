"""A subscription whose reliability follows its publishers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

# Reliability is not among them: that is the parameter input_reliability.
OVERRIDABLE = QoSOverridingOptions(
    [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.DURABILITY]
)


class Input:
    """One topic that the node listens to while it is open.

    A best-effort subscription matches every publisher, a reliable one only reliable publishers,
    but loses nothing: "auto" takes the reliable one when every publisher offers it.
    """

    def __init__(self, node: Node, kind: type, topic: str, callback: Callable[[Any], None]) -> None:
        self._node, self._kind, self._topic, self._callback = node, kind, topic, callback
        self._subscription: Any = None
        self._reliability: ReliabilityPolicy | None = None

    @property
    def topic(self) -> str:
        """The full name, remapped."""
        return self._node.resolve_topic_name(self._topic)

    def open(self, wanted: str) -> None:
        """Subscribes, or subscribes anew when the publishers have changed.

        Args:
            wanted: "auto", "reliable" or "best_effort".
        """
        reliability = self._fitting(wanted)
        if self._subscription is not None and reliability == self._reliability:
            return
        self.close()
        qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=2, reliability=reliability)
        self._reliability = reliability
        self._subscription = self._node.create_subscription(
            self._kind, self._topic, self._callback, qos, qos_overriding_options=OVERRIDABLE
        )

    def close(self) -> None:
        """Stops listening: a RealSense driver then stops sending."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _fitting(self, wanted: str) -> ReliabilityPolicy:
        if wanted != "auto":
            return ReliabilityPolicy[wanted.upper()]
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if not publishers and self._reliability is not None:
            return self._reliability  # unplugged: wait and see who comes back
        reliable = [p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in publishers]
        return (
            ReliabilityPolicy.RELIABLE if reliable and all(reliable)
            else ReliabilityPolicy.BEST_EFFORT
        )  # fmt: skip
