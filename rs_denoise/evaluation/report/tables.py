"""The tables of the report: every method, every metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rs_denoise.evaluation.metrics.blocks import Accuracy, read_camera
from rs_denoise.evaluation.metrics.by_distance import DistanceErrors
from rs_denoise.evaluation.metrics.metric import Metric, MetricBlock
from rs_denoise.evaluation.report.cards import (
    BETTER,
    UNCHANGED,
    WORSE,
    MetricChange,
    ReadBlock,
)
from rs_denoise.evaluation.summary import MethodSummary, Summary
from rs_denoise.offline import DENOISED, RAW

# Not meaningful over the same pixels: a dropped pixel is in neither set.
_OF_COVERAGE = (Accuracy.fill_pct, Accuracy.thin_recall_pct)
_RAW_TITLE = "raw (camera)"


@dataclass(frozen=True)
class Cell:
    """A value, and how it compares with the camera's."""

    text: str
    percent: str = ""
    change: str = ""


@dataclass(frozen=True)
class ReportTable:
    """Metrics of methods; `rows` are metrics with a cell for each of `methods`."""

    title: str
    note: str
    methods: tuple[str, ...]
    rows: tuple[tuple[Metric, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class SummaryPart:
    """A part of a summary that may be missing.

    Attributes:
        title: in the report.
        key: under which a summary's `not_computed` gives the reason if it is missing.
        read: returns its block of a method.
    """

    title: str
    key: str
    read: ReadBlock


ACCURACY = SummaryPart("Accuracy", "accuracy", lambda method: method.published)
PARTS = (
    SummaryPart("Without ground truth", "alone", lambda method: method.no_reference),
    SummaryPart("Over time", "temporal", lambda method: method.temporal),
    SummaryPart("Obstacles", "obstacles", lambda method: method.obstacles),
    SummaryPart("Confidence", "ranking", lambda method: method.confidence),
)


def make_tables(summary: Summary) -> list[ReportTable]:
    """The tables that have something to show."""
    found = [
        _compare_with_raw(
            summary, ACCURACY.read, "All published pixels",
            "A method that drops or fills pixels is measured over other pixels than the camera "
            "here.",
        ),
        _compare_same_pixels(summary),
        _compare_at_fill(summary, 97, lambda method: method.at_fill_97),
        _compare_at_fill(summary, 90, lambda method: method.at_fill_90),
        _compare_with_raw(
            summary, lambda method: method.images, "Gross errors and infrared images",
            "If the images confirm many of the camera's gross errors, check the ground truth.",
        ),
    ]  # fmt: skip
    found += [_compare_with_raw(summary, part.read, part.title, "") for part in PARTS]
    return [table for table in found if table.rows]


def list_missing(summary: Summary) -> list[tuple[str, str]]:
    """What is missing from the summary, in whole or in part, with the reason if it is known."""
    reasons = dict(summary.not_computed)
    titles = {part.key: part.title for part in (ACCURACY, *PARTS)}
    measured = {
        part.key: bool(_list_measured_blocks(summary.methods, part.read))
        for part in (ACCURACY, *PARTS)
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
    return list(dict.fromkeys(metric for table in tables for metric, _ in table.rows))


def describe_distances(errors: DistanceErrors) -> str:
    """Describes at how many distances the error improves, and where it changes most."""
    raw, denoised = errors.methods.get(RAW), errors.methods.get(DENOISED)
    if raw is None or denoised is None:
        return ""
    min_pixels = sum(raw.pixels) / 100
    bins = [
        (low, MetricChange(Accuracy.mae_mm, before, after))
        for low, pixels, before, after in zip(
            errors.edges_mm, raw.pixels, raw.mae_mm, denoised.mae_mm,
            strict=False,  # one more edge than bins
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
        f"({most.percent_text})."
    )


def _compare_with_raw(summary: Summary, read: ReadBlock, title: str, note: str) -> ReportTable:
    """The methods that have the block, against the camera where it has it too."""
    blocks = _list_measured_blocks(summary.methods, read)
    pairs = {name: (None if name == RAW else blocks.get(RAW), b) for name, b in blocks.items()}
    return _make_table(summary, title, note, pairs)


def _compare_same_pixels(summary: Summary) -> ReportTable:
    blocks = _list_measured_blocks(summary.methods, lambda method: method.same)
    pairs = {name: (summary.methods[name].same_raw, block) for name, block in blocks.items()}
    note = (
        "Camera → method, over the pixels that both have, so that dropping pixels does not improve "
        "a metric."
    )
    return _make_table(summary, "The same pixels", note, pairs, show_both=True)


def _compare_at_fill(summary: Summary, percent: int, read: ReadBlock) -> ReportTable:
    """The models that predict their uncertainty, against all pixels of the camera."""
    blocks = _list_measured_blocks(summary.methods, read)
    raw = summary.methods[RAW].published if RAW in summary.methods else None
    pairs = {name: (raw, block) for name, block in blocks.items()}
    note = (
        f"Methods at equal fill: the {percent} % of the camera's valid pixels that a method is "
        "most confident of, before any gate, against all pixels of the camera. A model with "
        "several gates is listed once."
    )
    return _make_table(summary, f"The most confident {percent} %", note, pairs)


def _make_table(
    summary: Summary, title: str, note: str,
    pairs: Mapping[str, tuple[MetricBlock | None, MetricBlock]], show_both: bool = False,
) -> ReportTable:  # fmt: skip
    """A row for each metric, from each method's block and what it is compared with."""
    metrics = _list_measured_metrics(block for _, block in pairs.values())
    if show_both:
        metrics = [metric for metric in metrics if metric not in _OF_COVERAGE]
    rows = tuple(
        (metric, tuple(_make_cell(summary, metric, *pair, show_both) for pair in pairs.values()))
        for metric in metrics
    )
    methods = tuple(_RAW_TITLE if name == RAW else name for name in pairs)
    return ReportTable(title, note, methods, rows)


def _list_measured_blocks(
    methods: dict[str, MethodSummary], read: ReadBlock
) -> dict[str, MetricBlock]:
    blocks = {name: read(method) for name, method in methods.items()}
    return {n: block for n, block in blocks.items() if block is not None and block.is_measured()}


def _list_measured_metrics(blocks: Iterable[MetricBlock]) -> list[Metric]:
    """The metrics that any of the blocks has a value of."""
    blocks = list(blocks)
    pairs = ((metric, block) for block in blocks for metric in block.metrics())
    found = {metric for metric, block in pairs if not math.isnan(metric.of(block))}
    metrics = (metric for block in blocks for metric in block.metrics() if metric in found)
    return list(dict.fromkeys(metrics))


def _make_cell(
    summary: Summary, metric: Metric, before: MetricBlock | None, after: MetricBlock,
    show_both: bool,
) -> Cell:  # fmt: skip
    value = metric.of(after)
    reference = math.nan if before is None else read_camera(metric, before, after)
    if math.isnan(reference + value):
        return Cell(metric.number(value))
    change = MetricChange(metric, reference, value, frames=summary.count_frames(after, metric))
    number = metric.number(value)
    text = f"{metric.number(reference)} → {number}" if show_both else number
    return Cell(text, change.percent_text, change.change)
