"""How often lost frames are logged."""

import time

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
import rclpy
from rclpy.clock import Clock
from rclpy.impl.rcutils_logger import Throttle
from rclpy.time import Time

from rs_denoise.node import frame_reporter
from rs_denoise.node.frame_reporter import FrameReporter
from rs_denoise.pipeline.statistics import FrameStatistics


class SystemClock(Clock):
    """A system clock that the test sets, as NTP does."""

    now_s = 1e9

    def now(self):
        return Time(seconds=self.now_s)


def test_a_system_clock_that_is_set_back_does_not_hide_lost_frames(ros, monkeypatch, capfd):
    monkeypatch.setattr(frame_reporter, "MIN_LOG_PERIOD_S", 0.5)
    system = SystemClock()
    monkeypatch.setitem(Throttle.params, "throttle_time_source_type", system)
    node = rclpy.create_node("test_frame_reporter")
    reporter = FrameReporter(node, FrameStatistics())
    for reason in ("first", "second"):
        reporter.report_failure(reason)
    system.now_s -= 3600.0
    time.sleep(0.6)
    reporter.report_failure("third")
    node.destroy_node()
    log = capfd.readouterr().err
    assert "frame lost: first" in log and "frame lost: third" in log, log
    assert "second" not in log, "not more often than once per period"
