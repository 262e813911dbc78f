"""The node's entries in /diagnostics: input, output and model."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.duration import Duration
from rclpy.node import Node

from rs_denoise.node.status import NodeStatus
from rs_denoise.pipeline.statistics import FrameTiming, Snapshot
from rs_denoise.pipeline.synchronizer import PairingCounts

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
# A camera may take this long to start; rtabmap waits as long.
MAX_START_S = 5.0
# A running camera that is silent for longer hangs: the slowest profile of a RealSense has 5 Hz.
MAX_SILENCE_S = 2.0
# Longer than a slow computer takes for a frame; a robot that needs depth should not wait longer.
MAX_NO_OUTPUT_S = 2.0
# Streams of one camera occasionally lose a frame; with different rates or clocks they lose more.
MAX_UNPAIRED_FRACTION = 0.2

# A process whose start failed does not wait longer for subscribers. Fast DDS usually discovers them
# within 0.1 s; if the first announcement is lost, only after three seconds.
MAX_DISCOVERY_S = 1.0


@dataclass(frozen=True)
class Entry:
    """One entry of /diagnostics: name, level, message and values as in DiagnosticStatus."""

    name: str
    level: bytes
    message: str
    values: dict[str, str] = field(default_factory=dict)


class DiagnosticReport:
    """Turns statistics into entries. It remembers the counts of the previous report."""

    def __init__(self) -> None:
        self._pairing = PairingCounts()

    def entries(self, frames: Snapshot, node: NodeStatus) -> list[Entry]:
        """The entries for this moment; call it once per report."""
        return [self._input(frames, node), _output(frames, node), _model(node)]

    def _input(self, frames: Snapshot, node: NodeStatus) -> Entry:
        # The images that waited when denoising was switched off have no match, and need none.
        unmatched = None if node.disabled else _describe_unmatched(self._pairing, node.pairing)
        self._pairing = node.pairing
        warning = node.input_warning or unmatched or frames.warning
        level, message = _judge_input(frames, node, warning)
        values = {
            "rate (Hz)": f"{frames.input_rate_hz:.1f}",
            "frames in": str(frames.frames_in),
            "clock jumps": str(node.pairing.clock_jumps),
            "unpaired": str(node.pairing.unpaired),
            "depth alone": str(node.pairing.alone),
            "right infrared": node.right_infrared,
            "without right infrared": str(node.pairing.without_right),
        }
        return Entry("input", level, message, values)


def _describe_unmatched(before: PairingCounts, now: PairingCounts) -> str | None:
    """A warning if too many frames since the previous report had no matching infrared image."""
    paired, dropped = now.paired - before.paired, now.unpaired - before.unpaired
    advice = (
        "do both streams have the same rate and clock? slop_ms is the largest accepted difference "
        "between their stamps"
    )
    if dropped > MAX_UNPAIRED_FRACTION * (paired + dropped):
        return f"no infrared image matches {dropped} of {paired + dropped} depth images: {advice}"
    without = now.without_right - before.without_right
    # A stream that is missing entirely is reported elsewhere.
    if MAX_UNPAIRED_FRACTION * paired < without < paired:
        return f"no right infrared image matches {without} of {paired} depth images: {advice}"
    return None


def _judge_input(frames: Snapshot, node: NodeStatus, warning: str | None) -> tuple[bytes, str]:
    if not _is_active(node):
        # The entry of the output warns.
        return OK, f"not subscribed: the node is {node.state}"
    if not frames.listening:
        return OK, "idle: nobody subscribes to the output"
    if frames.silent_s > (MAX_SILENCE_S if frames.receiving else MAX_START_S):
        return WARN, f"no input: waiting for {', '.join(node.required_topics)}"
    if warning is not None:
        return WARN, warning
    return OK, "receiving" if frames.receiving else "waiting for the first frames"


def _output(frames: Snapshot, node: NodeStatus) -> Entry:
    if frames.error is not None:
        level, message = ERROR, frames.error
    elif not _is_active(node):
        level = WARN
        message = f"no output: the node is {node.state}; a lifecycle manager must activate it"
    elif frames.listening and frames.no_output_s > MAX_NO_OUTPUT_S:
        level, message = ERROR, _describe_silence(frames, node)
    elif node.output_warning is not None:
        level, message = WARN, node.output_warning
    else:
        level, message = OK, "running"
    values = {
        "rate (Hz)": f"{frames.output_rate_hz:.1f}",
        **_describe_times(frames.timings),
        "frames out": str(frames.frames_out),
        "dropped": str(frames.dropped),
        "failed": str(frames.failed),
        "on failure": node.on_failure,
    }
    return Entry("output", level, message, values)


def _is_active(node: NodeStatus) -> bool:
    return node.state.startswith("active")  # also while it measures models


def _describe_silence(frames: Snapshot, node: NodeStatus) -> str:
    message = f"no output for {frames.no_output_s:.1f} s although depth arrives"
    if node.in_progress_s > MAX_NO_OUTPUT_S:
        return f"{message}: a frame has been in progress for {node.in_progress_s:.1f} s"
    return f"{message}: see input, dropped and failed"


def _model(node: NodeStatus) -> Entry:
    state = "disabled: the camera's depth is passed through" if node.disabled else node.state
    warned = node.disabled or node.model_warning is not None
    message = state if node.disabled else node.model_warning or state
    return Entry("model", WARN if warned else OK, message, node.model | {"state": state})


def _describe_times(timings: list[FrameTiming]) -> dict[str, str]:
    latencies = [timing.latency_s for timing in timings]
    medians = {
        "latency p50 (ms)": latencies,
        "wait p50 (ms)": [timing.wait_s for timing in timings],
        "denoise p50 (ms)": [timing.denoise_s for timing in timings],
        "publish p50 (ms)": [timing.publish_s for timing in timings],
    }
    described = {
        name: f"{1e3 * statistics.median(times):.1f}" if times else "-"
        for name, times in medians.items()
    }
    return described | {"latency max (ms)": f"{1e3 * max(latencies):.1f}" if latencies else "-"}


class DiagnosticPublisher:
    """Publishes the entries of a node on /diagnostics."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._report = DiagnosticReport()
        self._input_warning: str | None = None
        self._begun_s = time.monotonic()
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)

    def publish(self, frames: Snapshot, status: NodeStatus) -> None:
        """Publishes the next report; a fault of the input is also logged when it begins."""
        if status.input_warning not in (None, self._input_warning):
            self._node.get_logger().warning(status.input_warning)
        self._input_warning = status.input_warning
        entries = self._report.entries(frames, status)
        message = DiagnosticArray(status=[self._status(entry) for entry in entries])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def wait_for_subscriber(self) -> None:
        """Waits until a subscriber is discovered: nobody receives what is published before.

        It gives up `MAX_DISCOVERY_S` after this publisher was made.
        """
        end_s = self._begun_s + MAX_DISCOVERY_S
        while self._publisher.get_subscription_count() == 0 and time.monotonic() < end_s:
            time.sleep(0.02)

    def flush(self, timeout_s: float) -> None:
        """Waits until subscribers have received the reports, before the process ends."""
        self._publisher.wait_for_all_acked(Duration(seconds=timeout_s))

    def _status(self, entry: Entry) -> DiagnosticStatus:
        node_name = self._node.get_fully_qualified_name()
        return DiagnosticStatus(
            level=entry.level,
            name=f"{node_name}: {entry.name}",
            message=entry.message,
            hardware_id=node_name,
            values=[KeyValue(key=key, value=value) for key, value in entry.values.items()],
        )
