"""`rs_denoise simulate` and `simulate-bag`: frames with ground truth from a simulated camera."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

Seed = Annotated[int, typer.Option(help="The same seed gives the same frames.")]


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder of the data set; resumed if it exists.")],
    frames: Annotated[int, typer.Option(min=1, help="Number of scenes.")],
    seed: Seed = 0,
    camera: Annotated[
        list[str] | None, typer.Option(help="d415, d435 or d455; repeat to mix.")
    ] = None,
    versions: Annotated[int, typer.Option(min=1, help="Noisy cameras a scene.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Renders rooms and what a RealSense-like camera sees of them, as frame folders."""
    from rs_denoise.simulation.presets import PRESETS
    from rs_denoise.simulation.simulate import Job
    from rs_denoise.simulation.simulate import simulate as run

    cameras = tuple(camera or PRESETS)
    _check_cameras(cameras)
    jobs = [Job(out, index, seed, cameras, versions) for index in range(frames)]
    console, failed = Console(), 0
    done = run(jobs, workers)
    for job, error in track(done, "simulating", total=len(jobs), console=console):
        if error is not None:
            failed += 1
            console.print(f"[red]scene {job.index}: {error}")
    console.print(f"{frames - failed} of {frames} scenes in {out}")
    if failed == frames:
        raise typer.Exit(1)


def simulate_bag(
    out: Annotated[Path, typer.Argument(help="The rosbag2 folder to write.")],
    frames: Annotated[int, typer.Option(min=1, help="At 30 Hz.")] = 30,
    seed: Seed = 0,
    camera: Annotated[str, typer.Option(help="d415, d435 or d455.")] = "d435",
    ground_truth_every: Annotated[int, typer.Option(min=1)] = 5,
) -> None:
    """A moving camera as a rosbag2 with the driver's topics, and ground truth as one more.

    Uses public-domain furniture only, so that the recording can be given away.
    """
    _check_cameras((camera,))
    from rs_denoise.recordings.rosbag2 import write_bag
    from rs_denoise.simulation.furniture import Furniture
    from rs_denoise.simulation.sequence import simulate_sequence

    moments = simulate_sequence(
        camera, seed, frames, ground_truth_every, Furniture(public_domain=True)
    )
    count = write_bag(out, track(moments, "simulating", total=frames))
    print(f"{count} frames in {out}")


def _check_cameras(names: tuple[str, ...]) -> None:
    from rs_denoise.simulation.presets import PRESETS

    for name in names:
        if name not in PRESETS:
            raise typer.BadParameter(f"camera must be one of {', '.join(PRESETS)}, got '{name}'")
