"""`rs_denoise bench`: how long a frame takes on this machine."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
import typer
from rich.console import Console

from rs_denoise.benchmark.core_speed import time_core
from rs_denoise.benchmark.scaling import time_work
from rs_denoise.benchmark.scaling_chart import work_chart
from rs_denoise.benchmark.tables import core_section, node_section, work_sections
from rs_denoise.cli import options
from rs_denoise.cli.demo import SAMPLE
from rs_denoise.drawing.figure import PICTURES, ChartError, check_suffix, new_figure, write_figure
from rs_denoise.memory import tune_malloc
from rs_denoise.model import PRECISIONS, SHIPPED, Model

if TYPE_CHECKING:
    from rs_denoise.benchmark.node_speed import NodeSpeed

# Of the frames, so many for each case of --work: there are some twenty.
WORK_SHARE = 0.075


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
    work: Annotated[
        bool, typer.Option(help="Also how a frame's time grows with pixels, tiles and cameras.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures here.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Also write the tables here, for a document.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw what --work timed: .png, .pdf or .svg.")
    ] = None,
) -> None:
    """Times the core, numpy to numpy, beside librealsense's filters in the same run, and the node.

    The node runs between a camera, which plays the sample recording, and a consumer, in three
    processes.
    """
    if precision not in ("auto", *PRECISIONS):
        expected = ", ".join(("auto", *PRECISIONS))
        raise typer.BadParameter(f"expected one of {expected}, got '{precision}'")
    options.check_out(json_file, markdown, plot)
    _check_plot(plot)
    tune_malloc()
    if threads:
        torch.set_num_threads(threads)
    width, height = options.parse_size(size) or (848, 480)
    conditions = _conditions(frames)
    models = [Model.load(path, device, precision) for path in model or sorted(SHIPPED.glob("*.pt"))]
    _check_names(models)
    core = [time_core(one, width, height, frames) for one in models]
    rounds = ceil(WORK_SHARE * frames)
    costs = {m.manifest.name: time_work(m, rounds) for m in models} if work or plot else {}
    nodes: list[NodeSpeed] = []
    console = Console()
    if node and importlib.util.find_spec("rclpy") is None:
        console.print("[yellow]the node is not timed: ROS 2 (rclpy) is not installed")
    elif node:
        nodes = _time_nodes([m.path for m in models], device, rate or [30.0], seconds, runs)
    sections = [
        core_section(core),
        *([node_section(nodes)] if nodes else []),
        *(work_sections(costs) if costs else []),
    ]
    for section in sections:
        console.print(section.terminal())
    console.print(conditions, highlight=False)
    if json_file is not None:
        work_rows = {name: [asdict(cost) for cost in of_model] for name, of_model in costs.items()}
        speeds = {"core": [asdict(s) for s in core], "node": [asdict(s) for s in nodes]}
        json_file.write_text(json.dumps({**speeds, "work": work_rows}, indent=1) + "\n")
    if markdown is not None:
        parts = [section.markdown() for section in sections]
        markdown.write_text("\n".join([*parts, f"{conditions}.\n"]))
    if plot is not None:
        write_figure(work_chart(costs), plot)


def _conditions(frames: int) -> str:
    """Under which the figures came about; the load is that of before."""
    threads, load, cores = torch.get_num_threads(), os.getloadavg()[0], os.cpu_count()
    return (
        f"{frames} frames, {threads} threads, load before {load:.1f} on {cores} cores{_processor()}"
    )


def _check_names(models: list[Model]) -> None:
    names = [model.manifest.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise typer.BadParameter(f"two models are called {name}: time them one by one")


def _check_plot(path: Path | None) -> None:
    """Minutes of work are not lost to a name, or to a package that is missing."""
    try:
        check_suffix(path, PICTURES)
        if path is not None:
            new_figure(1, 1)
    except ChartError as error:
        raise typer.BadParameter(str(error)) from error


def _time_nodes(
    models: list[Path], device: str, rates: list[float], seconds: float, runs: int
) -> list[NodeSpeed]:
    """Each model, and what is left without a network."""
    from rs_denoise.benchmark.node_speed import time_node

    return [
        time_node(SAMPLE, model, device, rate, seconds, runs)
        for model in (*models, None)
        for rate in rates
    ]


def _processor() -> str:
    """What /proc/cpuinfo calls it, after a comma; nothing where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f", {names[0]}" if names else ""
