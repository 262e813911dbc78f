"""Counts frames and reports why some are lost, in diagnostics and in the log."""

from __future__ import annotations

import time

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from rs_denoise.pipeline.frame_pipeline import FrameResult
from rs_denoise.pipeline.statistics import FrameStatistics, FrameTiming

# Errors are logged at most this often.
MIN_LOG_PERIOD_S = 5.0


class FrameReporter:
    """Reports the frames of a node; called by any thread.

    Args:
        node: the node in whose log it reports.
        statistics: to update.

    Attributes:
        right_rejected: whether the latest right infrared image could not be used.
    """

    def __init__(self, node: Node, statistics: FrameStatistics) -> None:
        self._node, self._statistics = node, statistics
        self.right_rejected = False
        # Not the system's clock: once NTP has set that back, nothing would be logged for as long.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)

    def report_failure(self, reason: str) -> None:
        """Counts and reports a frame that failed."""
        self._statistics.count_failed()
        self._report(reason)

    def report_result(self, result: FrameResult) -> None:
        """Reports what went wrong with a frame, if anything did."""
        if result.failure is not None:
            self.report_failure(result.failure)
        if result.frame.read_infrared_right is not None:
            self.right_rejected = result.right_rejection is not None
        if result.right_rejection is not None:
            self._statistics.report_warning(
                f"continuing without right infrared: {result.right_rejection}"
            )

    def count_published(self, result: FrameResult, ready_ns: int) -> None:
        """Counts a frame that has just been published.

        Args:
            result: the frame's.
            ready_ns: when publishing began, `time.monotonic_ns()`.
        """
        wait_ns = ready_ns - result.frame.received_ns - result.denoise_ns
        times_ns = wait_ns, result.denoise_ns, time.monotonic_ns() - ready_ns
        self._statistics.count_published(FrameTiming(*(ns / 1e9 for ns in times_ns)))

    def report_unpublished(self, result: FrameResult, error: Exception) -> None:
        """Reports a frame that could not be published; one that failed is counted already."""
        reason = f"nothing could be published: {type(error).__name__}: {error}"
        (self._report if result.failure else self.report_failure)(reason)

    def _report(self, reason: str) -> None:
        self._statistics.report_error(reason)
        if self._node.context.ok():
            self._node.get_logger().error(
                f"frame lost: {reason}",
                throttle_duration_sec=MIN_LOG_PERIOD_S,
                throttle_time_source_type=self._steady,
            )
