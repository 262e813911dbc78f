"""The tables of a benchmark, for a terminal and for a document."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.table import Table

from rs_denoise.benchmark.core_speed import CoreSpeed
from rs_denoise.benchmark.scaling import Cost

if TYPE_CHECKING:
    from rs_denoise.benchmark.node_speed import NodeSpeed

STAGES = ("wait", "denoise", "publish")


@dataclass(frozen=True)
class Section:
    """A table: what it is of, the names of its columns, and its rows; names stand left."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def terminal(self) -> Table:
        """For a terminal of 80 columns."""
        table = Table(
            title=self.title, title_justify="left", box=SIMPLE, padding=(0, 0, 0, 1), pad_edge=False
        )
        for number, name in enumerate(self.head):
            table.add_column(name, justify="right" if number else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For a document."""
        lines = [self.head, ("---", *["---:"] * (len(self.head) - 1)), *self.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{self.title[0].upper()}{self.title[1:]}:\n\n{table}\n"


def core_section(speeds: list[CoreSpeed]) -> Section:
    """The core beside librealsense."""
    head = ("model", "where", "size", "p50 ms", "p99 ms", "x librealsense")
    return Section("core, from numpy to numpy", head, [_core_row(s) for s in speeds])


def node_section(speeds: list[NodeSpeed]) -> Section:
    """The whole node."""
    head = ("node", "Hz", "got %", "p50 ms", "p99 ms", "CPU %", *STAGES)
    return Section("node, stamp to consumer, over DDS", head, [_node_row(s) for s in speeds])


def work_sections(costs: dict[str, list[Cost]]) -> list[Section]:
    """What grows with what: a table for each kind of work, a column for each model."""
    (first, *_) = costs.values()
    works = list(dict.fromkeys(cost.work for cost in first))
    return [_work_section(work, costs) for work in works]


def _work_section(work: str, costs: dict[str, list[Cost]]) -> Section:
    columns = {name: [c for c in of_model if c.work == work] for name, of_model in costs.items()}
    cases = list(dict.fromkeys(c.case for column in columns.values() for c in column))
    rows = []
    for case in cases:
        cells = [next((c for c in column if c.case == case), None) for column in columns.values()]
        # A model that sees farther has more tiles.
        amount = " or ".join(dict.fromkeys(f"{c.amount:g}" for c in cells if c))
        # Columns of numbers alone would say it twice.
        shown = case if case == amount else f"{case}: {amount}"
        rows.append((shown, *(f"{c.ms:.1f}" if c else "-" for c in cells)))
    return Section(f"{work}, ms a frame", (work, *columns), rows)


def _core_row(s: CoreSpeed) -> tuple[str, ...]:
    ratio = "-" if s.vs_librealsense is None else f"{s.vs_librealsense:.2f}"
    where, size = f"{s.device} {s.precision}", f"{s.width}x{s.height}"
    return s.model, where, size, f"{s.p50_ms:.1f}", f"{s.p99_ms:.1f}", ratio


def _node_row(s: NodeSpeed) -> tuple[str, ...]:
    times = f"{s.p50_ms:.0f}", f"{s.p99_ms:.0f}", f"{s.cpu_pct:.0f}"
    stages = (f"{s.stages_ms.get(name, nan):.1f}" for name in STAGES)
    return s.model, f"{s.rate_hz:g}", f"{s.received_pct:.1f}", *times, *stages
