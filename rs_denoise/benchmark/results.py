"""The results of a benchmark, as tables and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rs_denoise.benchmark.core_speed import CoreSpeed
from rs_denoise.benchmark.first_frames import FirstFrames
from rs_denoise.benchmark.scaling import ScalingTime
from rs_denoise.benchmark.tables import (
    make_core_table,
    make_first_frames_table,
    make_node_table,
    make_scaling_tables,
)
from rs_denoise.drawing.text_table import TextTable

if TYPE_CHECKING:
    from rs_denoise.benchmark.node_speed import NodeSpeed


@dataclass
class BenchmarkResults:
    """What was measured; a list or dictionary is empty if it was not.

    Attributes:
        core: the core's time, for each model.
        first_frames: the first frames of each model and size.
        scaling: by the name of the model.
        node: the node's speed, for each model and rate.
    """

    core: list[CoreSpeed] = field(default_factory=list)
    first_frames: list[FirstFrames] = field(default_factory=list)
    scaling: dict[str, list[ScalingTime]] = field(default_factory=dict)
    node: list[NodeSpeed] = field(default_factory=list)

    def make_tables(self) -> list[TextTable]:
        """A table for each kind of result that was measured."""
        return [
            make_core_table(self.core),
            *([make_node_table(self.node)] if self.node else []),
            *([make_first_frames_table(self.first_frames)] if self.first_frames else []),
            *(make_scaling_tables(self.scaling) if self.scaling else []),
        ]

    def to_json(self) -> dict[str, Any]:
        """All results, as objects that JSON has."""
        return {
            "core": [asdict(speed) for speed in self.core],
            "node": [_replace_nan(asdict(speed)) for speed in self.node],
            "first_frames": [asdict(first) for first in self.first_frames],
            "scaling": {
                name: [asdict(time) for time in times] for name, times in self.scaling.items()
            },
        }


def _replace_nan(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: what could not be measured is null."""
    return {name: None if value != value else value for name, value in values.items()}
