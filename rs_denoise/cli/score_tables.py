"""Tables of an evaluation's summary, for a terminal and for a document."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.box import SIMPLE
from rich.table import Table

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
PUBLISHED_TITLE = "all published pixels, as ratios to all raw pixels"
SAME_TITLE = "the pixels that raw has too, as ratios to raw"
AT_FILL_TITLE = (
    "the most confident {} % of raw's pixels, before any gate, as ratios to all raw pixels"
)


def accuracy_table(summary: Summary) -> Table | None:
    """Every metric of raw and denoised depth, over all published and over the same pixels."""
    raw, denoised = (summary.methods[name] for name in (RAW, DENOISED))
    published, same, same_raw = denoised.published, denoised.same, denoised.same_raw
    if raw.published is None or published is None or same is None or same_raw is None:
        return None
    table = Table(
        title=f"against ground truth, mean over {summary.frames} frames of {summary.all_frames}",
        title_justify="left", box=SIMPLE,
        padding=(0, 0, 0, 2), pad_edge=False,
    )  # fmt: skip
    table.add_column("metric", no_wrap=True)
    for name in ("raw", "denoised", "ratio", "raw,\nsame px", "denoised,\nsame px", "ratio"):
        table.add_column(name, justify="right")
    for metric in Accuracy.metrics():
        pairs = (raw.published, published), (same_raw, same)
        values = [(metric.of(before), metric.of(after)) for before, after in pairs]
        cells = [text for a, b in values for text in (_number(a), _number(b), _ratio(a, b))]
        table.add_row(metric.json_key, *cells)
    return table


def methods_tables(summary: Summary) -> list[Table]:
    """A row for each method: fill rate and ratios to raw, over several sets of pixels."""
    tables = []
    for title, rows in _method_rows(summary, COMPARED).items():
        table = Table(
            title=title, title_justify="left", box=SIMPLE, padding=(0, 0, 0, 1), pad_edge=False
        )
        for name in ("method", "fill", *COMPARED.values()):
            table.add_column(name, justify="left" if name == "method" else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        tables.append(table)
    return tables


def no_reference_tables(summary: Summary) -> list[Table]:
    """Metrics without ground truth: of single frames, over time and of an obstacle layer."""
    raw, denoised = (summary.methods[name] for name in (RAW, DENOISED))
    tables = [
        _block_table(
            f"without ground truth, mean over {summary.all_frames} frames",
            raw.no_reference, denoised.no_reference,
        ),
        _block_table("over still stretches of the recording", raw.temporal, denoised.temporal),
        _block_table(
            "cells of a Nav2 obstacle layer, mean over the frames that show the floor",
            raw.obstacles, denoised.obstacles,
        ),
    ]  # fmt: skip
    return [table for table in tables if table is not None]


def markdown_tables(summary: Summary) -> str:
    """The tables of methods, for a document."""
    head = ("method", "fill %", *IN_DOCUMENTS.values())
    parts = [f"{summary.frames} frames, mean over frames.\n"]
    for title, rows in _method_rows(summary, IN_DOCUMENTS).items():
        lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"{title[0].upper()}{title[1:]}:\n\n{table}\n")
    sentences = [*confidence_lines(summary), *image_lines(summary)]
    parts.append("\n".join(f"- {sentence}" for sentence in sentences) + "\n")
    return "\n".join(parts)


def confidence_lines(summary: Summary) -> list[str]:
    """A sentence for each model that predicts its uncertainty."""
    return [
        f"{name}: before any gate, the RMSE of the most confident 90 % is "
        f"{_ratio(quality.rmse_at_100_mm, quality.rmse_at_90_mm)} of the RMSE of all pixels; "
        f"AUSE {quality.ause:.3f}; calibration error {100 * quality.calibration_error:.1f} %"
        for name, method in summary.methods.items()
        if (quality := method.confidence) is not None and not math.isnan(quality.ause)
    ]


def image_lines(summary: Summary) -> list[str]:
    """A sentence for each method whose gross errors were compared with both infrared images."""
    return [
        f"{name}: the infrared images agree better with the depth than with the ground truth at "
        f"{images.gross_confirmed_pct:.0f} % of the gross errors, and worse at "
        f"{images.gross_refuted_pct:.0f} %"
        for name, method in summary.methods.items()
        if (images := method.images) is not None and images.is_measured()
    ]


def _block_table(title: str, raw: MetricBlock | None, denoised: MetricBlock | None) -> Table | None:
    """The metrics of a block that raw or denoised depth has; None if there are none."""
    if raw is None or denoised is None or not raw.is_measured():
        return None
    values = [(metric, metric.of(raw), metric.of(denoised)) for metric in raw.metrics()]
    known = [value for value in values if not all(map(math.isnan, value[1:]))]
    if len(known) == 1 and not any(known[0][1:]):
        return None
    table = Table(
        title=title, title_justify="left", box=SIMPLE, padding=(0, 0, 0, 2), pad_edge=False
    )
    for name in ("metric", "raw", "denoised"):
        table.add_column(name, justify="left" if name == "metric" else "right", no_wrap=True)
    for metric, before, after in known:
        table.add_row(metric.json_key, _number(before), _number(after))
    return table


def _method_rows(summary: Summary, metrics: Iterable[Metric]) -> dict[str, list[tuple[str, ...]]]:
    """By title: name, fill rate and ratios of each method; raw has its fill rate and ratios 1."""
    metrics = list(metrics)
    rows: dict[str, list[tuple[str, ...]]] = {PUBLISHED_TITLE: [], SAME_TITLE: []}
    raw = summary.methods[RAW].published
    for name, method in summary.methods.items():
        if raw is None or method.published is None:
            continue
        pairs = {PUBLISHED_TITLE: (raw, method.published), SAME_TITLE: _same_pixels(method, raw)}
        for title, (before, after) in pairs.items():
            rows[title].append(_method_row(name, method.published, before, after, metrics))
        at_fills = {97: method.at_fill_97, 90: method.at_fill_90}
        for percent, block in at_fills.items():
            if block is not None:
                title = AT_FILL_TITLE.format(percent)
                row = _method_row(name, block, raw, block, metrics)
                rows.setdefault(title, []).append(row)
    return rows


def _method_row(
    name: str, filled: Accuracy, before: Accuracy, after: Accuracy, metrics: list[Metric]
) -> tuple[str, ...]:
    ratios = [_ratio(metric.of(before), metric.of(after)) for metric in metrics]
    return name, _number(filled.fill_pct, 1), *ratios


def _same_pixels(method: MethodSummary, raw: Accuracy) -> tuple[Accuracy, Accuracy]:
    if method.same is None or method.same_raw is None:
        return raw, raw
    return method.same_raw, method.same


def _number(value: float, digits: int = 3) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _ratio(before: float, after: float) -> str:
    return f"{after / before:.2f}" if before and not math.isnan(before + after) else "-"
