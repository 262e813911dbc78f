"""`rs_denoise evaluate`: raw against denoised, on frames with ground truth."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from rs_denoise.cli import options
from rs_denoise.evaluation.baselines import all_baselines
from rs_denoise.evaluation.evaluate import DenoisedBy, Method
from rs_denoise.evaluation.evaluate import evaluate as evaluate_frames
from rs_denoise.gate import CAUTIOUS, COMPLETE, Gate
from rs_denoise.model import Model
from rs_denoise.recordings.recording import open_recording

COMPARED = {
    "mae_mm": "MAE", "rmse_mm": "RMSE", "bad5_pct": ">5 %", "false_free_pct": "free",
    "phantom_pct": "near", "ripple_px": "ripple", "rim_mae_px": "rim", "thin_recall_pct": "thin",
}  # fmt: skip
# A terminal has 80 columns, a document more.
IN_DOCUMENTS = COMPARED | {
    "flying_pct": "flying", "interior_mae_px": "interior", "med_rel_pct": "median",
}  # fmt: skip
TITLES = {
    "published": "all that is published, against all of raw (ratio)",
    "same": "over the pixels that raw has too (ratio)",
}


def evaluate(
    frames: Annotated[Path, typer.Argument(help="Frame folders, gt-, res-, left-*.png, or a bag.")],
    size: Annotated[
        str | None, typer.Option(help="Resample to WIDTHxHEIGHT first.", show_default="native")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures here.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Also write the table of methods here.")
    ] = None,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another model file to compare with; repeatable.")
    ] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also librealsense's and OpenCV's filters.")
    ] = False,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
) -> None:
    """Scores depth against ground truth; each figure is the mean over frames.

    Besides the gate that is asked for, a cautious and a complete one are scored.
    """
    wanted_size = options.parse_size(size)
    recording = open_recording(frames)
    loaded = Model.load(model, device)
    denoised = DenoisedBy(loaded, Gate(min_confidence, fill_confidence))
    methods: dict[str, Method] = {
        "denoised": denoised,
        "denoised_cautious": denoised.with_gate(CAUTIOUS),
        "denoised_complete": denoised.with_gate(COMPLETE),
    }
    for path in beside or ():
        methods[path.stem] = DenoisedBy(Model.load(path, device), Gate())
    if baselines:
        methods |= all_baselines()
    result = evaluate_frames(
        track(recording, "evaluating", total=recording.count, transient=True),
        methods,
        wanted_size,
    )
    result.skipped |= recording.skipped
    summary = result.summary()
    if json_file is not None:
        json_file.write_text(json.dumps(summary, indent=1) + "\n")
    if markdown is not None:
        markdown.write_text(markdown_tables(summary))
    console = Console()
    if result.frames:
        console.print(score_table(summary))
        console.print(methods_table(summary, "published"))
        console.print(methods_table(summary, "same"))
        for line in ranking_lines(summary):
            console.print(line)
    else:
        console.print("no frame has ground truth: nothing to score")
    options.print_skipped(console, result.skipped)


def score_table(summary: dict) -> Table:
    """The figures of an evaluation: a row each, published and over the same pixels."""
    methods = summary["methods"]
    raw = methods["raw"]["published"]
    published, same, same_raw = (
        methods["denoised"][block] for block in ("published", "same", "same_raw")
    )
    table = Table(title=f"{summary['frames']} frames, mean over frames", title_justify="left")
    table.add_column("figure")
    for name in ("raw", "denoised", "ratio", "raw, same px", "denoised, same px", "ratio"):
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
