"""`rs_denoise bench`: times a frame on this machine."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_denoise.cli import options
from rs_denoise.cli.console import make_console
from rs_denoise.cli.demo import SAMPLE
from rs_denoise.drawing.figure import PICTURES, ChartError, check_suffix, new_figure, write_figure
from rs_denoise.shipped_models import SHIPPED

if TYPE_CHECKING:
    from rs_denoise.benchmark.node_speed import NodeSpeed
    from rs_denoise.model import Model

# Time before the measurement in which the load of other programs is measured, and the load that
# spoils it: a small part of a core delays every layer of a network.
BUSY_SAMPLE_S, MAX_BUSY_CORES = 1.0, 0.3
# --scaling has about twenty cases, each timed for this fraction of --frames.
SCALING_FRACTION = 0.075


def bench(
    model: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MODEL", help="Model file; repeatable.", show_default="the shipped models"
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="WIDTHxHEIGHT", help="WIDTHxHEIGHT of the frames.")
    ] = "848x480",
    frames: Annotated[
        int, typer.Option(min=10, metavar="N", help="Number of frames to time.")
    ] = 200,
    device: options.Device = "auto",
    precision: Annotated[
        str, typer.Option(metavar="TYPE", help="auto, float32, bfloat16 or float16.")
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Threads of PyTorch.", show_default="one per core"),
    ] = None,
    node: Annotated[
        bool, typer.Option(help="Also time the node over DDS, if ROS 2 is installed.")
    ] = True,
    rate: Annotated[
        list[float] | None,
        typer.Option(metavar="HZ", help="Hz of the camera; repeatable.", show_default="30"),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Duration of each run of the node.")
    ] = 10.0,
    runs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Runs of the node; shows medians.")
    ] = 3,
    scaling: Annotated[
        bool,
        typer.Option(
            help="Also time the first frames, and the scaling with pixels, tiles and cameras."
        ),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the results here.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the tables here, as Markdown.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also draw the results of --scaling: .png, .pdf or .svg."
        ),
    ] = None,
) -> None:
    """Times the core, in turns with librealsense's filters, and the node.

    The node runs between a camera, which plays the sample recording, and a consumer: three
    processes over DDS.
    """
    options.check_out(json_file, markdown, plot)
    _check_plot(plot)
    import torch

    from rs_denoise.benchmark.core_speed import time_core
    from rs_denoise.benchmark.first_frames import time_first_frames
    from rs_denoise.benchmark.scaling import time_scaling
    from rs_denoise.benchmark.scaling_chart import draw_scaling
    from rs_denoise.benchmark.tables import (
        core_section,
        first_frames_section,
        node_section,
        scaling_sections,
    )
    from rs_denoise.idle_cores import count_busy_cores
    from rs_denoise.model import PRECISIONS, Model

    if precision not in ("auto", *PRECISIONS):
        expected = ", ".join(("auto", *PRECISIONS))
        raise typer.BadParameter(f"expected one of {expected}, got '{precision}'")
    if threads:
        torch.set_num_threads(threads)
    width, height = options.parse_size(size) or (848, 480)
    console = make_console()
    busy_cores = count_busy_cores(BUSY_SAMPLE_S)
    if busy_cores > MAX_BUSY_CORES:
        console.print(
            f"other programs use {busy_cores:.1f} of {os.cpu_count()} cores: expect longer times, "
            "and compare them only with others of this run",
            style="yellow",
        )
    models = [Model(path, device, precision) for path in model or sorted(SHIPPED.glob("*.pt"))]
    _check_names(models)
    # First of all, while nothing is compiled yet.
    first = [f for m in models for f in time_first_frames(m)] if scaling else []
    core = [time_core(one, width, height, frames) for one in models]
    rounds = ceil(SCALING_FRACTION * frames)
    times = {m.manifest.name: time_scaling(m, rounds) for m in models} if scaling or plot else {}
    nodes: list[NodeSpeed] = []
    if node and importlib.util.find_spec("rclpy") is None:
        console.print("the node is not timed: ROS 2 (rclpy) is not installed", style="yellow")
    elif node:
        nodes = _time_nodes([m.path for m in models], device, rate or [30.0], seconds, runs)
    sections = [
        core_section(core),
        *([node_section(nodes)] if nodes else []),
        *([first_frames_section(first)] if first else []),
        *(scaling_sections(times) if times else []),
    ]
    for section in sections:
        console.print(section.terminal())
    conditions = _describe_conditions(frames, busy_cores)
    console.print(conditions, highlight=False)
    if json_file is not None:
        scaling_rows = {name: [asdict(t) for t in of_model] for name, of_model in times.items()}
        speeds = {
            "core": [asdict(s) for s in core],
            "node": [asdict(s) for s in nodes],
            "first_frames": [asdict(f) for f in first],
            "scaling": scaling_rows,
        }
        json_file.write_text(json.dumps(speeds, indent=1) + "\n")
    if markdown is not None:
        parts = [section.markdown() for section in sections]
        markdown.write_text("\n".join([*parts, f"{conditions}.\n"]))
    if plot is not None:
        write_figure(draw_scaling(times), plot)


def _describe_conditions(frames: int, busy_cores: float) -> str:
    """The conditions of the measurement, with the cores that others used before it."""
    import torch

    return (
        f"{frames} frames, {torch.get_num_threads()} threads, other programs used "
        f"{busy_cores:.1f} of {os.cpu_count()} cores before{_describe_processor()}"
    )


def _check_names(models: list[Model]) -> None:
    names = [model.manifest.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise typer.BadParameter(f"two models are named {name}: time them one at a time")


def _check_plot(path: Path | None) -> None:
    """Rejects a wrong file name or a missing package before minutes of measurement."""
    try:
        check_suffix(path, PICTURES)
        if path is not None:
            new_figure(1, 1)
    except ChartError as error:
        raise typer.BadParameter(str(error)) from error


def _time_nodes(
    models: list[Path], device: str, rates: list[float], seconds: float, runs: int
) -> list[NodeSpeed]:
    """Times the node with each model, and without a network."""
    from rs_denoise.benchmark.node_speed import time_node

    return [
        time_node(SAMPLE, model, device, rate, seconds, runs)
        for model in (*models, None)
        for rate in rates
    ]


def _describe_processor() -> str:
    """The processor's name from /proc/cpuinfo, after a comma; empty without that file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f", {names[0]}" if names else ""
