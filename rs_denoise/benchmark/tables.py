"""The tables of a benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_denoise.benchmark.core_speed import CoreSpeed
from rs_denoise.benchmark.first_frames import FIRST_FRAMES, FirstFrames
from rs_denoise.benchmark.scaling import ScalingTime
from rs_denoise.drawing.text_table import TextTable, format_number

if TYPE_CHECKING:
    from rs_denoise.benchmark.node_speed import NodeSpeed

STAGES = ("wait", "denoise", "publish")


def make_core_table(speeds: list[CoreSpeed]) -> TextTable:
    """The core's times and librealsense's."""
    head = ("model", "device", "size", "p50 ms", "p99 ms", "x librealsense")
    return TextTable("core, NumPy to NumPy", head, [_make_core_row(s) for s in speeds])


def make_node_table(speeds: list[NodeSpeed]) -> TextTable:
    """The node's times."""
    head = ("node", "Hz", "received %", "p50 ms", "p99 ms", "CPU %", *STAGES)
    return TextTable("node, stamp to consumer, over DDS", head, [_make_node_row(s) for s in speeds])


def make_first_frames_table(first: list[FirstFrames]) -> TextTable:
    """The times of the first frames of each size."""
    head = ("first frames, ms", "size", *(str(number + 1) for number in range(FIRST_FRAMES)))
    rows = [(f.model, f"{f.width}x{f.height}", *(f"{ms:.1f}" for ms in f.times_ms)) for f in first]
    return TextTable("first frames of a new thread, one size after the other", head, rows)


def make_scaling_tables(times: dict[str, list[ScalingTime]]) -> list[TextTable]:
    """How a frame's time scales: a table for each dimension, with a column for each model."""
    (first, *_) = times.values()
    dimensions = dict.fromkeys(time.dimension for time in first)
    return [_make_scaling_table(dimension, times) for dimension in dimensions]


def _make_scaling_table(dimension: str, times: dict[str, list[ScalingTime]]) -> TextTable:
    columns = {
        name: [t for t in of_model if t.dimension == dimension] for name, of_model in times.items()
    }
    cases = list(dict.fromkeys(t.case for column in columns.values() for t in column))
    rows = []
    for case in cases:
        cells = [next((t for t in column if t.case == case), None) for column in columns.values()]
        # A model with a larger receptive field has more tiles.
        amount = " or ".join(dict.fromkeys(f"{t.amount:g}" for t in cells if t))
        # Do not repeat the number if it is all that the case says.
        shown = case if case == amount else f"{case}: {amount}"
        rows.append((shown, *(f"{t.ms:.1f}" if t else "-" for t in cells)))
    return TextTable(f"{dimension}, ms per frame", (dimension, *columns), rows)


def _make_core_row(s: CoreSpeed) -> tuple[str, ...]:
    ratio = "-" if s.vs_librealsense is None else f"{s.vs_librealsense:.2f}"
    device, size = f"{s.device} {s.precision}", f"{s.width}x{s.height}"
    return s.model, device, size, f"{s.p50_ms:.1f}", f"{s.p99_ms:.1f}", ratio


def _make_node_row(s: NodeSpeed) -> tuple[str, ...]:
    times = (format_number(value, 0) for value in (s.p50_ms, s.p99_ms, s.cpu_pct))
    stages = (format_number(s.stages_ms.get(name), 1) for name in STAGES)
    return s.model, f"{s.rate_hz:g}", f"{s.received_pct:.1f}", *times, *stages
