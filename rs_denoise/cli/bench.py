"""`rs_denoise bench`: times a frame on this machine."""

from __future__ import annotations

import importlib.util
import json
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_denoise.cli import options
from rs_denoise.cli.console import make_console
from rs_denoise.cli.demo import SAMPLE
from rs_denoise.cpu_cores import count_cores
from rs_denoise.drawing.figure import PICTURES, ChartError, check_suffix, new_figure, write_figure
from rs_denoise.recordings.atomic_output import write_text
from rs_denoise.shipped_models import SHIPPED

if TYPE_CHECKING:
    from rs_denoise.benchmark.node_speed import NodeSpeed
    from rs_denoise.benchmark.results import BenchmarkResults
    from rs_denoise.model import Model

# How long the load of other programs is measured beforehand, and the load above which timings are
# unreliable: a thread that shares its core delays every layer of a network.
BUSY_SAMPLE_S, MAX_BUSY_CORES = 1.0, 0.3
# --scaling has about twenty cases, each timed for this fraction of --frames.
SCALING_FRACTION = 0.075


def bench(
    model: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MODEL",
            callback=options.check_models,
            help=f"{options.MODEL_HELP}; repeatable.",
            show_default="the shipped models",
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="WIDTHxHEIGHT", help="Size of the frames, px.")
    ] = "848x480",
    frames: Annotated[
        int, typer.Option(min=10, metavar="N", help="Number of frames to time without ROS.")
    ] = 200,
    device: options.Device = "auto",
    precision: Annotated[
        str, typer.Option(metavar="TYPE", help="auto, float32, bfloat16 or float16.")
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            metavar="N",
            help="Number of PyTorch threads.",
            show_default="one per core",
        ),
    ] = None,
    node: Annotated[
        bool, typer.Option(help="Also time the node over DDS, if ROS 2 is installed.")
    ] = True,
    rate: Annotated[
        list[float] | None,
        typer.Option(
            min=1,
            max=1000,
            metavar="HZ",
            help="Frame rate of the camera, Hz; repeatable.",
            show_default="30",
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(min=1, max=3600, metavar="SECONDS", help="Duration of each run of the node."),
    ] = 10.0,
    runs: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Number of runs of the node; the table shows their medians."
        ),
    ] = 3,
    scaling: Annotated[
        bool,
        typer.Option(
            help="Also time the first frames, and how the time grows with pixels, tiles, batch "
            "size and cameras."
        ),
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the results to this file."),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the tables to this file, as Markdown."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also plot the results of --scaling to this file: .png, .pdf or .svg.",
        ),
    ] = None,
) -> None:
    """Times the denoiser without ROS, librealsense's filters, and the node over DDS.

    For the node, three processes run: a player of the sample recording, which acts as the camera,
    the node, and a subscriber.
    """
    options.check_out(json_file, markdown, plot)
    _check_plot(plot)
    import torch

    from rs_denoise.idle_cores import count_busy_cores

    if threads:
        torch.set_num_threads(threads)
    width, height = options.parse_size(size) or (848, 480)
    console = make_console()
    busy_cores = count_busy_cores(BUSY_SAMPLE_S)
    if busy_cores > MAX_BUSY_CORES:
        console.print(
            f"other programs use {busy_cores:.1f} of {count_cores()} cores: expect longer times, "
            "and compare them only with others of this run",
            style="yellow",
        )
    models = _load_models(model or sorted(SHIPPED.glob("*.pt")), device, precision)
    results = _time_models(models, width, height, frames, scaling, draw=plot is not None)
    if node and importlib.util.find_spec("rclpy") is None:
        console.print("the node is not timed: ROS 2 (rclpy) is not installed", style="yellow")
    elif node:
        files = [one.path for one in models]
        results.node = _time_nodes(files, device, rate or [30.0], seconds, runs)
    tables = results.make_tables()
    for table in tables:
        console.print(table.for_terminal())
    conditions = _describe_conditions(frames, busy_cores)
    console.print(conditions, highlight=False)
    if json_file is not None:
        write_text(json_file, json.dumps(results.to_json(), indent=1) + "\n")
    if markdown is not None:
        parts = [table.to_markdown() for table in tables]
        write_text(markdown, "\n".join([*parts, f"{conditions}.\n"]))
    if plot is not None:
        from rs_denoise.benchmark.scaling_chart import draw_scaling

        write_figure(draw_scaling(results.scaling), plot)


def _load_models(files: list[Path], device: str, precision: str) -> list[Model]:
    from rs_denoise.model import PRECISIONS, Model

    if precision not in ("auto", *PRECISIONS):
        expected = ", ".join(("auto", *PRECISIONS))
        raise typer.BadParameter(f"expected one of {expected}, got '{precision}'")
    models = [Model(file, device, precision) for file in files]
    names = [model.manifest.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise typer.BadParameter(f"two models are named {name}: time them one at a time")
    return models


def _time_models(
    models: list[Model], width: int, height: int, frames: int, scaling: bool, draw: bool
) -> BenchmarkResults:
    """Times the core with each model, without ROS."""
    from rs_denoise.benchmark.core_speed import time_core
    from rs_denoise.benchmark.first_frames import time_first_frames
    from rs_denoise.benchmark.results import BenchmarkResults
    from rs_denoise.benchmark.scaling import time_scaling

    results = BenchmarkResults()
    if scaling:  # first of all, while nothing is compiled yet
        results.first_frames = [first for model in models for first in time_first_frames(model)]
    results.core = [time_core(model, width, height, frames) for model in models]
    if scaling or draw:
        rounds = ceil(SCALING_FRACTION * frames)
        results.scaling = {model.manifest.name: time_scaling(model, rounds) for model in models}
    return results


def _describe_conditions(frames: int, busy_cores: float) -> str:
    """The conditions of the measurement, with the cores that others used before it."""
    import torch

    return (
        f"{frames} frames, {torch.get_num_threads()} threads, other programs used "
        f"{busy_cores:.1f} of {count_cores()} cores before{_describe_processor()}"
    )


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
