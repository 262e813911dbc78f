"""Subscribes to a camera while its frames are needed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from rclpy.clock import Clock
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from rs_denoise.node.assembler import AssemblerSettings, FrameAssembler
from rs_denoise.node.calibration import CameraCalibration
from rs_denoise.node.inputs import CAMERA_INFO, describe_absent, make_inputs
from rs_denoise.pipeline.frame_pipeline import InputFrame
from rs_denoise.pipeline.statistics import FrameStatistics

# How often to check whether a frame has waited long enough for right infrared.
OVERDUE_PERIOD_S = 0.005
# A driver publishes its calibration within this time after the first frame; afterwards a missing
# baseline is reported.
MAX_BASELINE_WAIT_S = 3.0
# Existing publishers are discovered within this time.
MAX_DISCOVERY_S = 3.0
# The publishers' reliability is checked on every n-th call of `follow`.
GRAPH_PERIODS = 10


class CameraListener:
    """Subscribes to a camera's topics on demand, and makes frames from their messages.

    Args:
        node: the node that subscribes.
        clock: for its timer; not that of a simulation, which may pause.
        settings: those of the first frames; `configure` replaces them.
        statistics: counts what arrives.
        on_frame: called with each complete frame.
        on_failure: called with the reason when a frame is lost.

    Attributes:
        calibration: the camera's.
        assembler: makes frames from messages.
        topics: the topics that it subscribes to.
        listening: whether it is subscribed at the moment.
    """

    def __init__(
        self,
        node: Node,
        clock: Clock,
        settings: AssemblerSettings,
        statistics: FrameStatistics,
        on_frame: Callable[[InputFrame[CameraInfo]], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self._node, self._statistics, self._on_frame = node, statistics, on_frame
        self.listening = False
        self._first_frame_s: float | None = None
        self._baseline_warned = False
        self._calls = 0
        self._discovered_at_s = math.inf
        self.calibration = CameraCalibration()
        self.assembler = FrameAssembler(
            self.calibration,
            settings,
            on_frame=self._forward,
            on_failure=on_failure,
            on_dropped=statistics.count_dropped,
            on_wait=self._release_when_overdue,
            camera_info_topic=node.resolve_topic_name(CAMERA_INFO),
        )
        self.topics = make_inputs(node, self._on_depth, self.assembler, self.calibration)
        self._overdue_timer = node.create_timer(
            OVERDUE_PERIOD_S, self._release_overdue, clock=clock
        )
        self._overdue_timer.cancel()

    def announce(self, outputs: list[str], with_right: bool) -> None:
        """Logs the input topics, and a while later those that nobody publishes.

        Args:
            outputs: topics; the node listens while any of them has a subscriber.
            with_right: whether right infrared is used.
        """
        topics = ", ".join(topic.topic for topic in self.topics.required)
        right = self.topics.infrared_right.topic
        optional = f"; uses {right} too if it is published (enable_infra2)" if with_right else ""
        self._node.get_logger().info(
            f"subscribes to {topics} while {' or '.join(outputs)} has a subscriber{optional}"
        )
        self._discovered_at_s = time.monotonic() + MAX_DISCOVERY_S

    def follow(self, wanted: bool, reliability: str, with_right: bool) -> None:
        """Starts or stops listening as needed; call it several times a second.

        It polls, because matched events do not exist in all distributions, and because a driver may
        come back with another reliability.

        Args:
            wanted: whether frames are needed.
            reliability: of the subscriptions: "auto", "reliable" or "best_effort".
            with_right: whether right infrared is used.
        """
        if time.monotonic() > self._discovered_at_s:
            self._discovered_at_s = math.inf
            if (absent := describe_absent(self._node, self.topics)) is not None:
                self._node.get_logger().warning(absent)
        changed = wanted != self.listening
        if changed:
            self._set_listening(wanted)
        self._calls += 1
        if wanted and (changed or self._calls % GRAPH_PERIODS == 0):
            self.topics.open(reliability, with_right)

    def stop(self) -> None:
        """Unsubscribes and drops waiting images."""
        self._set_listening(False)

    def _set_listening(self, listening: bool) -> None:
        if not listening:
            self.topics.close()
        self.assembler.restart()
        self._statistics.set_listening(listening)
        self.listening, self._first_frame_s = listening, None

    def _on_depth(self, message: Image) -> None:
        self._statistics.count_received()
        self.assembler.add_depth(message)

    def _release_when_overdue(self) -> None:
        if self._overdue_timer.is_canceled():
            self._overdue_timer.reset()

    def _release_overdue(self) -> None:
        if not self.assembler.release_overdue():
            self._overdue_timer.cancel()

    def _forward(self, frame: InputFrame[CameraInfo]) -> None:
        self._warn_of_missing_baseline()
        self._on_frame(frame)

    def _warn_of_missing_baseline(self) -> None:
        self._first_frame_s = self._first_frame_s or time.monotonic()
        known = self.assembler.settings.baseline_m or self.calibration.baseline_from_topic_m
        waited_s = time.monotonic() - self._first_frame_s
        if known or self._baseline_warned or waited_s <= MAX_BASELINE_WAIT_S:
            return
        self._baseline_warned = True
        self._node.get_logger().warning(
            "baseline unknown, assuming 50 mm: set the parameter baseline_m (D405 0.018, D415 "
            "0.055, D435 0.050, D455 0.095) or enable infra2 of the camera. With a wrong baseline, "
            "the scale of depth hardly changes, but its noise is misjudged, and a model that "
            "compares both infrared images compares the wrong pixels"
        )
