"""The tables of the report: every method, every metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rs_denoise.evaluation.metrics.blocks import Accuracy
from rs_denoise.evaluation.metrics.by_distance import DistanceErrors
from rs_denoise.evaluation.metrics.metric import Metric, MetricBlock
from rs_denoise.evaluation.report.cards import BETTER, UNCHANGED, WORSE, MetricChange
from rs_denoise.evaluation.summary import MethodSummary, Summary
from rs_denoise.offline import DENOISED, RAW

# Over the same pixels these say nothing: a dropped pixel is of neither.
_OF_COVERAGE = (Accuracy.fill_pct, Accuracy.thin_recall_pct)
_RAW_TITLE = "raw (camera)"


@dataclass(frozen=True)
class Cell:
    """A value, and how it compares with the camera's."""

    text: str
    ratio: str = ""
    change: str = ""


@dataclass(frozen=True)
class ReportTable:
    """Metrics of methods; `rows` are names with a cell for each of `metrics`."""

    title: str
    note: str
    metrics: tuple[Metric, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class SummaryPart:
    """A part of a summary that may be missing.

    Attributes:
        title: in the report.
        key: under which a summary's `not_computed` says why it is missing.
        read: its block of a method.
    """

    title: str
    key: str
    read: Callable[[MethodSummary], MetricBlock | None]


ACCURACY = SummaryPart("Accuracy", "accuracy", lambda method: method.published)
PARTS = (
    SummaryPart("Without ground truth", "alone", lambda method: method.no_reference),
    SummaryPart("Over time", "temporal", lambda method: method.temporal),
    SummaryPart("Obstacles", "obstacles", lambda method: method.obstacles),
    SummaryPart("Confidence", "ranking", lambda method: method.confidence),
)


def make_tables(summary: Summary) -> list[ReportTable]:
    """The tables that have something to show."""
    methods = summary.methods
    found = [
        _compare_with_raw(
            methods, ACCURACY.read, "All published pixels",
            "Ratios are to the camera. A method that drops or fills pixels is measured over other "
            "pixels than the camera here.",
        ),
        _compare_same_pixels(methods),
        _compare_at_fill(methods, 97, lambda method: method.at_fill_97),
        _compare_at_fill(methods, 90, lambda method: method.at_fill_90),
    ]  # fmt: skip
    found += [_compare_with_raw(methods, part.read, part.title, "") for part in PARTS]
    return [table for table in found if table.rows]


def list_missing(summary: Summary) -> list[tuple[str, str]]:
    """What is missing from the summary, in whole or in part, with the reason if it gives one."""
    reasons = dict(summary.not_computed)
    titles = {part.key: part.title for part in (ACCURACY, *PARTS)}
    measured = {
        part.key: bool(_measured_blocks(summary.methods, part.read)) for part in (ACCURACY, *PARTS)
    }
    titles |= {"over_distance": "Errors over distance", "timing": "Time per frame"}
    measured |= {
        "over_distance": summary.by_distance is not None,
        "timing": summary.timing is not None,
    }
    missing = [(titles[key], reasons.pop(key, "")) for key in titles if not measured[key]]
    return missing + [(titles.get(key, key.capitalize()), why) for key, why in reasons.items()]


def list_metrics(tables: Iterable[ReportTable]) -> list[Metric]:
    """The metrics of the tables, each once."""
    return list(dict.fromkeys(metric for table in tables for metric in table.metrics))


def describe_distances(errors: DistanceErrors) -> str:
    """At how many distances the error improves, and where it changes most."""
    raw, denoised = errors.methods.get(RAW), errors.methods.get(DENOISED)
    if raw is None or denoised is None:
        return ""
    min_pixels = sum(raw.pixels) / 100
    bins = [
        (low, MetricChange(Accuracy.mae_mm, before, after))
        for low, pixels, before, after in zip(
            errors.edges_mm, raw.pixels, raw.mae_mm, denoised.mae_mm,
            strict=False,  # one edge more than bins
        )
        if pixels >= min_pixels and before and after is not None
    ]  # fmt: skip
    if not bins:
        return ""
    step = errors.edges_mm[1] - errors.edges_mm[0]
    count = {c: sum(b.change == c for _, b in bins) for c in (BETTER, UNCHANGED, WORSE)}
    low, most = max(bins, key=lambda b: abs((b[1].ratio or 1.0) - 1.0))
    return (
        f"Of {len(bins)} distances with at least 1 % of the pixels, the mean error is better at "
        f"{count[BETTER]}, unchanged at {count[UNCHANGED]} and worse at {count[WORSE]}. It "
        f"changes most at {low / 1000:.2f} to {(low + step) / 1000:.2f} m: {most.text} "
        f"({most.ratio_text})."
    )


def _compare_with_raw(
    methods: dict[str, MethodSummary], read: Callable[[MethodSummary], MetricBlock | None],
    title: str, note: str,
) -> ReportTable:  # fmt: skip
    """A row for each method that has the block; ratios to the camera's where it has it too."""
    blocks = _measured_blocks(methods, read)
    metrics = _measured_metrics(blocks.values())
    raw = blocks.get(RAW)
    rows = []
    for name, block in blocks.items():
        before = None if name == RAW or raw is None else raw
        cells = [_make_cell(metric, before, block) for metric in metrics]
        rows.append((_RAW_TITLE if name == RAW else name, tuple(cells)))
    return ReportTable(title, note, tuple(metrics), tuple(rows))


def _compare_same_pixels(methods: dict[str, MethodSummary]) -> ReportTable:
    blocks = _measured_blocks(methods, lambda method: method.same)
    metrics = [m for m in _measured_metrics(blocks.values()) if m not in _OF_COVERAGE]
    rows = tuple(
        (name, tuple(_make_cell(m, methods[name].same_raw, block, True) for m in metrics))
        for name, block in blocks.items()
    )
    note = (
        "Camera → method, over the pixels that both have, so that dropping pixels does not improve "
        "a metric."
    )
    return ReportTable("The same pixels", note, tuple(metrics), rows)


def _compare_at_fill(
    methods: dict[str, MethodSummary],
    percent: int,
    read: Callable[[MethodSummary], Accuracy | None],
) -> ReportTable:
    """A row for each model that predicts its uncertainty; ratios to all pixels of the camera."""

    def read_camera_whole(method: MethodSummary) -> Accuracy | None:
        return method.published if method is methods.get(RAW) else read(method)

    note = (
        f"Methods at equal fill: the {percent} % of the camera's valid pixels that the method is "
        "most confident of, before any gate. Ratios are to all pixels of the camera."
    )
    title = f"The most confident {percent} %"
    table = _compare_with_raw(methods, read_camera_whole, title, note)
    return table if len(table.rows) > 1 else ReportTable(title, note, (), ())


def _measured_blocks(
    methods: dict[str, MethodSummary], read: Callable[[MethodSummary], MetricBlock | None]
) -> dict[str, MetricBlock]:
    blocks = {name: read(method) for name, method in methods.items()}
    return {n: block for n, block in blocks.items() if block is not None and block.is_measured()}


def _measured_metrics(blocks: Iterable[MetricBlock]) -> list[Metric]:
    """The metrics that any of the blocks has a value of."""
    blocks = list(blocks)
    pairs = ((metric, block) for block in blocks for metric in block.metrics())
    found = {metric for metric, block in pairs if not math.isnan(metric.of(block))}
    metrics = (metric for block in blocks for metric in block.metrics() if metric in found)
    return list(dict.fromkeys(metrics))


def _make_cell(
    metric: Metric, before: MetricBlock | None, after: MetricBlock, show_both: bool = False
) -> Cell:
    value = metric.of(after)
    reference = math.nan if before is None else metric.of(before)
    if math.isnan(reference + value):
        return Cell(metric.number(value))
    change = MetricChange(metric, reference, value)
    number = metric.number(value)
    text = f"{metric.number(reference)} → {number}" if show_both else number
    return Cell(text, change.ratio_text, change.change)
