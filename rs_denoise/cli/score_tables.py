"""Tables of an evaluation's summary, for a terminal and for a document."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE
from rich.table import Table

COMPARED = {
    "mae_mm": "MAE", "rmse_mm": "RMSE", "bad5_pct": ">5 %", "false_free_pct": "free",
    "phantom_pct": "near", "ripple_px": "ripple", "rim_mae_px": "rim", "thin_recall_pct": "thin",
}  # fmt: skip
# A terminal has 80 columns, a document more.
IN_DOCUMENTS = COMPARED | {
    "flying_pct": "flying", "interior_mae_px": "interior", "med_rel_pct": "median",
}  # fmt: skip
ALONE = {
    "alone": "needs no ground truth, mean over {frames} frames",
    "temporal": "over still stretches of the recording",
    "obstacles": "cells of a Nav2 obstacle layer, mean over frames that show the floor",
}
TITLES = {
    "published": "all that is published, against all of raw (ratio)",
    "same": "over the pixels that raw has too (ratio)",
}


def score_table(summary: dict) -> Table:
    """The figures of an evaluation: a row each, published and over the same pixels."""
    methods = summary["methods"]
    raw = methods["raw"]["published"]
    published, same, same_raw = (
        methods["denoised"][block] for block in ("published", "same", "same_raw")
    )
    table = Table(
        title=f"against ground truth, mean over {summary['frames']} frames of "
        f"{summary['frames'] + summary['without_truth']}",
        title_justify="left", box=SIMPLE,
        padding=(0, 0, 0, 2), pad_edge=False,
    )  # fmt: skip
    table.add_column("figure", no_wrap=True)
    for name in ("raw", "denoised", "ratio", "raw,\nsame px", "denoised,\nsame px", "ratio"):
        table.add_column(name, justify="right")
    for key in raw:
        pairs = (raw[key], published[key]), (same_raw[key], same[key])
        cells = [text for a, b in pairs for text in (_number(a), _number(b), _ratio(a, b))]
        table.add_row(key, *cells)
    return table


def methods_table(summary: dict, block: str) -> Table:
    """A row for each method: fill, and ratios to raw over what it publishes or over the same px."""
    table = Table(
        title=TITLES[block], title_justify="left", box=SIMPLE, padding=(0, 0, 0, 1), pad_edge=False
    )
    for name in ("method", "fill", *COMPARED.values()):
        table.add_column(name, justify="left" if name == "method" else "right", no_wrap=True)
    for row in _method_rows(summary, block, COMPARED):
        table.add_row(*row)
    return table


def alone_tables(summary: dict) -> list[Table]:
    """Of single frames, of the recording as a whole, and of a costmap, where there is any."""
    raw, denoised = (summary["methods"][name] for name in ("raw", "denoised"))
    frames = summary["frames"] + summary["without_truth"]
    tables = []
    for block, title in ALONE.items():
        pairs = [(key, before, denoised[block][key]) for key, before in raw.get(block, {}).items()]
        known = [pair for pair in pairs if pair[1:] != (None, None)]
        if not known:
            continue
        table = Table(
            title=title.format(frames=frames), title_justify="left", box=SIMPLE,
            padding=(0, 0, 0, 2), pad_edge=False,
        )  # fmt: skip
        for name in ("figure", "raw", "denoised"):
            table.add_column(name, justify="left" if name == "figure" else "right", no_wrap=True)
        for key, before, after in known:
            table.add_row(key, _number(before), _number(after))
        tables.append(table)
    return tables


def markdown_tables(summary: dict) -> str:
    """What the tables of methods say, for a document."""
    head = ("method", "fill %", *IN_DOCUMENTS.values())
    parts = [f"{summary['frames']} frames, mean over frames.\n"]
    for block, title in TITLES.items():
        rows = _method_rows(summary, block, IN_DOCUMENTS)
        lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"{title[0].upper()}{title[1:]}:\n\n{table}\n")
    parts.append("\n".join(f"- {line}" for line in ranking_lines(summary)) + "\n")
    return "\n".join(parts)


def ranking_lines(summary: dict) -> list[str]:
    """A sentence for each model that knows its doubt."""
    return [
        f"{method}: before any gate, RMSE of the most confident 90 % is "
        f"{_ratio(r['rmse_at_100_mm'], r['rmse_at_90_mm'])} of that of all; AUSE {r['ause']:.3f}; "
        f"calibration error {100 * r['calibration_error']:.1f} %"
        for method, blocks in summary["methods"].items()
        if (r := blocks.get("ranking")) and r["ause"] is not None
    ]


def _method_rows(summary: dict, block: str, figures: Iterable[str]) -> list[tuple[str, ...]]:
    """Name, fill and ratios of each method; raw has its fill, and 1 in all else."""
    raw = summary["methods"]["raw"]["published"]
    rows = []
    for method, blocks in summary["methods"].items():
        after = blocks.get(block, raw)
        before = blocks.get("same_raw", raw) if block == "same" else raw
        fill = _number(blocks["published"]["fill_pct"], 1)
        rows.append((method, fill, *(_ratio(before[key], after[key]) for key in figures)))
    return rows


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _ratio(before: float | None, after: float | None) -> str:
    return f"{after / before:.2f}" if before and after is not None else "-"
