"""What a metric is: a number with a name, a unit, a direction and a description.

A block of metrics is a frozen dataclass that declares each of its metrics once:

    @dataclass(frozen=True)
    class Accuracy(MetricBlock):
        mae_mm: Metric = Metric("Mean error", "mm", "Mean absolute error of the depth.", digits=1)

`Accuracy.mae_mm` is the metric with its description; `accuracy.mae_mm` of an instance is the
measured number (a descriptor-typed field, in the terms of Python's dataclasses documentation). Type
checkers understand both, so tables and reports refer to metrics as attributes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, TypeVar, overload

import numpy as np

from rs_denoise.evaluation.metrics.averages import mean

# Digits after the point in summaries.
DIGITS = 4
Block = TypeVar("Block", bound="MetricBlock")


class Better(Enum):
    """The direction in which a metric improves."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


class Metric:
    """A metric, as a field of a block.

    Args:
        name: the heading in tables and reports.
        unit: "mm", "%" (of pixels, where nothing else is said), "px", or "" for a plain number.
        description: its definition, a sentence.
        better: the direction in which it improves.
        digits: after the point, where it is printed.
        min_change: smaller changes, in the unit, count as none, whatever their ratio.
        json_key: in summaries and in model files; None: the name of the field.

    Attributes:
        field: name of the field, "" outside of a block.
    """

    def __init__(
        self,
        name: str,
        unit: str,
        description: str,
        *,
        better: Better = Better.LOWER,
        digits: int = 2,
        min_change: float = 0.0,
        json_key: str | None = None,
    ) -> None:
        self.name, self.unit, self.description = name, unit, description
        self.better, self.digits, self.min_change = better, digits, min_change
        self.field, self._json_key = "", json_key

    def __set_name__(self, owner: type, name: str) -> None:
        self.field = name

    @overload
    def __get__(self, block: None, owner: type) -> Metric: ...
    @overload
    def __get__(self, block: object, owner: type) -> float: ...
    def __get__(self, block: object | None, owner: type) -> Metric | float:
        return self if block is None else self.of(block)

    def __set__(self, block: object, value: float) -> None:
        # If the caller passes no value, the dataclass passes the field's default, which is this
        # metric.
        vars(block)[self.field] = math.nan if value is self else value

    def __repr__(self) -> str:
        return f"Metric({self.json_key})"

    @property
    def json_key(self) -> str:
        """Its name in summaries and in model files."""
        return self._json_key or self.field

    def of(self, block: object) -> float:
        """Its value in a block that has it; NaN if it could not be measured."""
        return vars(block)[self.field]

    def text(self, value: float) -> str:
        """A value with its unit."""
        return f"{self.number(value)} {self.unit}".rstrip()

    def number(self, value: float) -> str:
        """A value without its unit; a dash if it could not be measured."""
        return "-" if math.isnan(value) else f"{value:.{self.digits}f}"


@dataclass(frozen=True)
class MetricBlock:
    """Metrics that are measured together; those that could not be measured are NaN.

    Attributes:
        counts: of a mean, the number of frames that each metric was measured on, by its field;
            empty if unknown.
    """

    counts: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False, kw_only=True)

    @classmethod
    def metrics(cls) -> tuple[Metric, ...]:
        """Its metrics, in order."""
        defaults = (field.default for field in fields(cls))
        return tuple(default for default in defaults if isinstance(default, Metric))

    @classmethod
    def mean(cls: type[Block], blocks: Sequence[Block]) -> Block:
        """Each metric's mean over the blocks that have it, rounded as in summaries."""
        values, counts = {}, {}
        for metric in cls.metrics():
            known = [value for block in blocks if not math.isnan(value := metric.of(block))]
            values[metric.field] = round(mean(np.array(known)), DIGITS)
            counts[metric.field] = len(known)
        return cls(**values, counts=counts)

    @classmethod
    def from_json(cls: type[Block], values: Mapping[str, float | None]) -> Block:
        """The inverse of `to_json`; metrics that are missing or None become NaN."""
        found = {m.field: values.get(m.json_key) for m in cls.metrics()}
        numbers: dict[str, Any] = {n: math.nan if v is None else float(v) for n, v in found.items()}
        return cls(**numbers)

    def is_measured(self) -> bool:
        """Whether any of its metrics could be measured."""
        return not all(math.isnan(metric.of(self)) for metric in self.metrics())

    def to_json(self) -> dict[str, float | None]:
        """Values by JSON key; None for those that could not be measured."""
        values = ((metric, metric.of(self)) for metric in self.metrics())
        return {m.json_key: None if math.isnan(value) else value for m, value in values}
