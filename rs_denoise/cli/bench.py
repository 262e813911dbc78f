"""`rs_denoise bench`: how long a frame takes on this machine."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import asdict
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from rs_denoise.cli import options
from rs_denoise.cli.demo import SAMPLE
from rs_denoise.evaluation.speed import CoreSpeed, time_core
from rs_denoise.memory import keep_memory
from rs_denoise.model import PRECISIONS, SHIPPED, Model

if TYPE_CHECKING:
    from rs_denoise.node.node_speed import NodeSpeed


def bench(
    model: Annotated[
        list[Path] | None,
        typer.Option(help="Model file; repeatable.", show_default="those shipped"),
    ] = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the frames.")] = "848x480",
    frames: Annotated[int, typer.Option(min=10, help="Frames that are timed.")] = 200,
    device: options.Device = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of PyTorch.", show_default="one a core")
    ] = None,
    node: Annotated[
        bool, typer.Option(help="Also the node over DDS, where ROS 2 is installed.")
    ] = True,
    rate: Annotated[
        list[float] | None, typer.Option(help="Hz of the camera.", show_default="30")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Of each run of the node.")] = 10.0,
    runs: Annotated[int, typer.Option(min=1, help="Of the node; medians are shown.")] = 3,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures here.")
    ] = None,
) -> None:
    """Times the core, numpy to numpy, beside librealsense's filters in the same run, and the node.

    The node runs between a camera, which plays the sample recording, and a consumer, in three
    processes.
    """
    if precision not in ("auto", *PRECISIONS):
        expected = ", ".join(("auto", *PRECISIONS))
        raise typer.BadParameter(f"expected one of {expected}, got '{precision}'")
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
    figures = {"core": [asdict(r) for r in results], "node": []}
    if node and importlib.util.find_spec("rclpy") is None:
        console.print("[yellow]the node is not timed: ROS 2 (rclpy) is not installed")
    elif node:
        speeds = _time_nodes(paths, device, rate or [30.0], seconds, runs)
        console.print(_node_table(speeds))
        figures["node"] = [asdict(speed) for speed in speeds]
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n")


def _time_nodes(
    models: list[Path], device: str, rates: list[float], seconds: float, runs: int
) -> list[NodeSpeed]:
    from rs_denoise.node.node_speed import time_node

    return [
        time_node(SAMPLE, model, device, rate, seconds, runs) for model in models for rate in rates
    ]


def _node_table(speeds: list[NodeSpeed]) -> Table:
    table = _compact("node, stamp to consumer, over DDS")
    for name in ("Hz", "got %", "p50 ms", "p99 ms", "CPU %", "wait", "denoise", "publish"):
        table.add_column(name, justify="right")
    for s in speeds:
        stages = (f"{s.stages_ms.get(name, nan):.1f}" for name in ("wait", "denoise", "publish"))
        times = f"{s.p50_ms:.0f}", f"{s.p99_ms:.0f}", f"{s.cpu_pct:.0f}"
        table.add_row(s.model, f"{s.rate_hz:g}", f"{s.received_pct:.1f}", *times, *stages)
    return table


def _table(results: list[CoreSpeed]) -> Table:
    table = _compact("core, from numpy to numpy")
    table.add_column("where")
    for name in ("size", "p50 ms", "p99 ms", "x librealsense"):
        table.add_column(name, justify="right")
    for r in results:
        times = "-" if r.vs_librealsense is None else f"{r.vs_librealsense:.2f}"
        where = f"{r.device} {r.precision}"
        cells = f"{r.width}x{r.height}", f"{r.p50_ms:.1f}", f"{r.p99_ms:.1f}", times
        table.add_row(r.model, where, *cells)
    return table


def _compact(title: str) -> Table:
    """Fits 80 columns."""
    table = Table(
        title=title, title_justify="left", box=SIMPLE, padding=(0, 0, 0, 1), pad_edge=False
    )
    table.add_column("model", no_wrap=True)
    return table
