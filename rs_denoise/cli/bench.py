"""`rs_denoise bench`: how long a frame takes on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from rs_denoise.cli import options
from rs_denoise.evaluation.speed import CoreSpeed, time_core
from rs_denoise.memory import keep_memory
from rs_denoise.model import SHIPPED, Model


def bench(
    model: Annotated[
        list[Path] | None,
        typer.Option(help="Model file; repeatable.", show_default="those shipped"),
    ] = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the frames.")] = "848x480",
    frames: Annotated[int, typer.Option(min=10, help="Frames that are timed.")] = 200,
    device: options.Device = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of PyTorch.", show_default="one a core")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures here.")
    ] = None,
) -> None:
    """Times the core, numpy to numpy, beside librealsense's filters in the same run."""
    if precision not in ("auto", "float32", "bfloat16"):
        raise typer.BadParameter(f"expected auto, float32 or bfloat16, got '{precision}'")
    keep_memory()
    if threads:
        torch.set_num_threads(threads)
    width, height = options.parse_size(size) or (848, 480)
    load = os.getloadavg()[0]
    paths = model or sorted(SHIPPED.glob("*.pt"))
    results = [
        time_core(Model.load(path, device, precision), width, height, frames) for path in paths
    ]
    console = Console()
    console.print(_table(results))
    console.print(
        f"{frames} frames, {torch.get_num_threads()} threads, load before {load:.1f} "
        f"on {os.cpu_count()} cores"
    )
    if json_file is not None:
        json_file.write_text(json.dumps({"core": [r.row() for r in results]}, indent=1) + "\n")


def _table(results: list[CoreSpeed]) -> Table:
    table = Table(title="core, from numpy to numpy", title_justify="left")
    table.add_column("model")
    table.add_column("where")
    for name in ("size", "p50 ms", "p99 ms", "x librealsense"):
        table.add_column(name, justify="right")
    for r in results:
        times = "-" if r.vs_librealsense is None else f"{r.vs_librealsense:.2f}"
        where = f"{r.device} {r.precision}"
        cells = f"{r.width}x{r.height}", f"{r.p50_ms:.1f}", f"{r.p99_ms:.1f}", times
        table.add_row(r.model, where, *cells)
    return table
