"""The tables of a benchmark, for a terminal and for a document."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.table import Table

from rs_denoise.benchmark.core_speed import CoreSpeed
from rs_denoise.benchmark.first_frames import FIRST_FRAMES, FirstFrames
from rs_denoise.benchmark.scaling import ScalingTime

if TYPE_CHECKING:
    from rs_denoise.benchmark.node_speed import NodeSpeed

STAGES = ("wait", "denoise", "publish")


@dataclass(frozen=True)
class Section:
    """A table: its title, the names of its columns, and its rows. The first column holds names."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def terminal(self) -> Table:
        """The table for a terminal of 80 columns."""
        table = Table(
            title=self.title, title_justify="left", box=SIMPLE, padding=(0, 0, 0, 1), pad_edge=False
        )
        for number, name in enumerate(self.head):
            table.add_column(name, justify="right" if number else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """The table for a document."""
        lines = [self.head, ("---", *["---:"] * (len(self.head) - 1)), *self.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{self.title[0].upper()}{self.title[1:]}:\n\n{table}\n"


def core_section(speeds: list[CoreSpeed]) -> Section:
    """The core's times and librealsense's."""
    head = ("model", "device", "size", "p50 ms", "p99 ms", "x librealsense")
    return Section("core, NumPy to NumPy", head, [_core_row(s) for s in speeds])


def node_section(speeds: list[NodeSpeed]) -> Section:
    """The node's times."""
    head = ("node", "Hz", "received %", "p50 ms", "p99 ms", "CPU %", *STAGES)
    return Section("node, stamp to consumer, over DDS", head, [_node_row(s) for s in speeds])


def first_frames_section(first: list[FirstFrames]) -> Section:
    """The times of the first frames of each size."""
    head = ("first frames, ms", "size", *(str(number + 1) for number in range(FIRST_FRAMES)))
    rows = [(f.model, f"{f.width}x{f.height}", *(f"{ms:.1f}" for ms in f.times_ms)) for f in first]
    return Section("first frames of a new thread, one size after the other", head, rows)


def scaling_sections(times: dict[str, list[ScalingTime]]) -> list[Section]:
    """How a frame's time scales: a table for each dimension, with a column for each model."""
    (first, *_) = times.values()
    dimensions = dict.fromkeys(time.dimension for time in first)
    return [_scaling_section(dimension, times) for dimension in dimensions]


def _scaling_section(dimension: str, times: dict[str, list[ScalingTime]]) -> Section:
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
    return Section(f"{dimension}, ms per frame", (dimension, *columns), rows)


def _core_row(s: CoreSpeed) -> tuple[str, ...]:
    ratio = "-" if s.vs_librealsense is None else f"{s.vs_librealsense:.2f}"
    device, size = f"{s.device} {s.precision}", f"{s.width}x{s.height}"
    return s.model, device, size, f"{s.p50_ms:.1f}", f"{s.p99_ms:.1f}", ratio


def _node_row(s: NodeSpeed) -> tuple[str, ...]:
    times = f"{s.p50_ms:.0f}", f"{s.p99_ms:.0f}", f"{s.cpu_pct:.0f}"
    stages = (f"{s.stages_ms.get(name, nan):.1f}" for name in STAGES)
    return s.model, f"{s.rate_hz:g}", f"{s.received_pct:.1f}", *times, *stages
