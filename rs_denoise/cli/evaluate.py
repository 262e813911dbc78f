"""`rs_denoise evaluate`: raw against denoised, on frames with ground truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from rs_denoise.cli import options
from rs_denoise.denoiser import Gate
from rs_denoise.evaluation.evaluate import evaluate as evaluate_frames
from rs_denoise.model import Model
from rs_denoise.recordings.image_folder import find_frames, read_frames


def evaluate(
    frames: Annotated[Path, typer.Argument(help="A frame folder, or a folder of them.")],
    size: Annotated[
        str | None, typer.Option(help="Resample to WIDTHxHEIGHT first.", show_default="native")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures here.")
    ] = None,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
) -> None:
    """Scores depth against ground truth; each figure is the mean over frames."""
    wanted_size = options.parse_size(size)
    folders, skipped = find_frames(frames)
    loaded = Model.load(model, device)
    result = evaluate_frames(
        track(read_frames(folders), "evaluating", total=len(folders), transient=True),
        loaded,
        Gate(min_confidence, fill_confidence),
        wanted_size,
    )
    result.skipped |= {path.name: reason for path, reason in skipped.items()}
    summary = result.summary()
    if json_file is not None:
        json_file.write_text(json.dumps(summary, indent=1) + "\n")
    console = Console()
    if result.frames:
        console.print(score_table(summary))
    else:
        console.print("no frame has ground truth: nothing to score")
    for name, reason in result.skipped.items():
        console.print(f"[yellow]skipped {name}: {reason}")


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


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _ratio(before: float | None, after: float | None) -> str:
    return f"{after / before:.2f}" if before and after is not None else "-"
