"""Tables of an evaluation's summary, for a terminal and for a document."""

from __future__ import annotations

import math

from rich.table import Table

from rs_denoise.cli.console import count_frames
from rs_denoise.drawing.text_table import TextTable, format_number
from rs_denoise.evaluation.metrics.blocks import Accuracy
from rs_denoise.evaluation.metrics.metric import Metric, MetricBlock
from rs_denoise.evaluation.summary import MethodSummary, Summary
from rs_denoise.offline import DENOISED, RAW

# A terminal has 80 columns, a document has more.
COMPARED = {
    Accuracy.mae_mm: "MAE", Accuracy.bad5_pct: ">5 %\noff", Accuracy.gross_pct: "gross",
    Accuracy.false_free_pct: "false\nfree", Accuracy.false_obstacle_pct: "false\nobst.",
    Accuracy.high_frequency_error_px: "HF\nerror", Accuracy.edge_band_mae_px: "edge\nband",
    Accuracy.thin_recall_pct: "thin\nrecall",
}  # fmt: skip
IN_DOCUMENTS = {
    Accuracy.mae_mm: "MAE", Accuracy.rmse_mm: "RMSE", Accuracy.bad5_pct: ">5 % off",
    Accuracy.gross_pct: "gross",
    Accuracy.false_free_pct: "false free space", Accuracy.false_obstacle_pct: "false obstacles",
    Accuracy.high_frequency_error_px: "high-frequency error",
    Accuracy.edge_band_mae_px: "edge band", Accuracy.thin_recall_pct: "thin recall",
    Accuracy.flying_pct: "flying", Accuracy.interior_mae_px: "interior",
    Accuracy.med_rel_pct: "median",
}  # fmt: skip
ACCURACY_HEAD = (
    "metric", "raw", "denoised", "ratio", "raw,\nsame px", "denoised,\nsame px", "ratio"
)  # fmt: skip
PUBLISHED_TITLE = "all published pixels, as ratios to all raw pixels"
SAME_TITLE = "the pixels that raw has too, as ratios to raw"
AT_FILL_TITLE = (
    "the most confident {} % of raw's pixels, before any gate, as ratios to all raw pixels"
)


def make_accuracy_table(summary: Summary) -> Table | None:
    """Every metric of raw and denoised depth, over all published and over the same pixels."""
    raw, denoised = (summary.methods[name] for name in (RAW, DENOISED))
    published, same, same_raw = denoised.published, denoised.same, denoised.same_raw
    if raw.published is None or published is None or same is None or same_raw is None:
        return None
    rows = []
    for metric in Accuracy.metrics():
        pairs = (raw.published, published), (same_raw, same)
        values = [(metric.of(before), metric.of(after)) for before, after in pairs]
        cells = [
            text for a, b in values for text in (format_number(a), format_number(b), _ratio(a, b))
        ]
        rows.append((metric.json_key, *cells))
    measured = count_frames(summary.frames)
    title = f"against ground truth, mean over {measured} of {summary.all_frames}"
    return TextTable(title, ACCURACY_HEAD, rows).for_terminal(gap=2)


def make_method_tables(summary: Summary) -> list[Table]:
    """A row for each method: fill rate and ratios to raw, over several sets of pixels."""
    head = ("method", "fill", *COMPARED.values())
    tables = _make_ratio_tables(summary, list(COMPARED), head)
    return [table.for_terminal() for table in tables]


def make_no_reference_tables(summary: Summary) -> list[Table]:
    """Metrics without ground truth: of single frames, over time and of an obstacle layer."""
    raw, denoised = (summary.methods[name] for name in (RAW, DENOISED))
    tables = [
        _make_block_table(
            f"without ground truth, mean over {count_frames(summary.all_frames)}",
            raw.no_reference, denoised.no_reference,
        ),
        _make_block_table("over still stretches of the recording", raw.temporal, denoised.temporal),
        _make_block_table(
            "cells of a Nav2 obstacle layer, mean over the frames that show the floor",
            raw.obstacles, denoised.obstacles,
        ),
    ]  # fmt: skip
    return [table for table in tables if table is not None]


def make_markdown_tables(summary: Summary) -> str:
    """The tables of methods, for a document."""
    head = ("method", "fill %", *IN_DOCUMENTS.values())
    tables = _make_ratio_tables(summary, list(IN_DOCUMENTS), head)
    sentences = [*describe_confidence(summary), *describe_image_agreement(summary)]
    return "\n".join(
        [
            f"{count_frames(summary.frames)}, mean over frames.\n",
            *(table.to_markdown() for table in tables),
            "\n".join(f"- {sentence}" for sentence in sentences) + "\n",
        ]
    )


def describe_confidence(summary: Summary) -> list[str]:
    """A sentence for each model that predicts its uncertainty."""
    return [
        f"{name}: before any gate, the RMSE of the most confident 90 % is "
        f"{_ratio(quality.rmse_at_100_mm, quality.rmse_at_90_mm)} of the RMSE of all pixels; "
        f"AUSE {quality.ause:.3f}; calibration error {100 * quality.calibration_error:.1f} %"
        for name, method in summary.methods.items()
        if (quality := method.confidence) is not None and not math.isnan(quality.ause)
    ]


def describe_image_agreement(summary: Summary) -> list[str]:
    """Sentences on the gross errors of raw and denoised depth, if both infrared images exist."""
    return [
        f"{name}: the infrared images agree better with the depth than with the ground truth at "
        f"{images.gross_confirmed_pct:.0f} % of the gross errors, and worse at "
        f"{images.gross_refuted_pct:.0f} %"
        for name in (RAW, DENOISED)
        if (images := summary.methods[name].images) is not None and images.is_measured()
    ]


def _make_block_table(
    title: str, raw: MetricBlock | None, denoised: MetricBlock | None
) -> Table | None:
    """The metrics of a block that raw or denoised depth has; None if there are none."""
    if raw is None or denoised is None or not raw.is_measured():
        return None
    values = [(metric, metric.of(raw), metric.of(denoised)) for metric in raw.metrics()]
    known = [value for value in values if not all(map(math.isnan, value[1:]))]
    if len(known) == 1 and not any(known[0][1:]):
        return None
    rows = [
        (metric.json_key, format_number(before), format_number(after))
        for metric, before, after in known
    ]
    return TextTable(title, ("metric", "raw", "denoised"), rows).for_terminal(gap=2)


def _make_ratio_tables(
    summary: Summary, metrics: list[Metric], head: tuple[str, ...]
) -> list[TextTable]:
    """For each set of pixels a table with name, fill rate and ratios to raw of each method."""
    rows: dict[str, list[tuple[str, ...]]] = {PUBLISHED_TITLE: [], SAME_TITLE: []}
    raw = summary.methods[RAW].published
    for name, method in summary.methods.items():
        if raw is None or method.published is None:
            continue
        pairs = {PUBLISHED_TITLE: (raw, method.published), SAME_TITLE: _same_pixels(method, raw)}
        for title, (before, after) in pairs.items():
            rows[title].append(_make_method_row(name, method.published, before, after, metrics))
        at_fills = {97: method.at_fill_97, 90: method.at_fill_90}
        for percent, block in at_fills.items():
            if block is not None:
                title = AT_FILL_TITLE.format(percent)
                row = _make_method_row(name, block, raw, block, metrics)
                rows.setdefault(title, []).append(row)
    return [TextTable(title, head, of_title) for title, of_title in rows.items()]


def _make_method_row(
    name: str, filled: Accuracy, before: Accuracy, after: Accuracy, metrics: list[Metric]
) -> tuple[str, ...]:
    ratios = [_ratio(metric.of(before), metric.of(after)) for metric in metrics]
    return name, format_number(filled.fill_pct, 1), *ratios


def _same_pixels(method: MethodSummary, raw: Accuracy) -> tuple[Accuracy, Accuracy]:
    if method.same is None or method.same_raw is None:
        return raw, raw
    return method.same_raw, method.same


def _ratio(before: float, after: float) -> str:
    return f"{after / before:.2f}" if before and not math.isnan(before + after) else "-"
