"""`rs_denoise simulate`: frames and ground truth of a simulated camera, and a check of realism."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.progress import track
from rich.table import Table
from rich.text import Text

from rs_denoise.cli import options
from rs_denoise.cli.console import make_console
from rs_denoise.drawing.text_table import format_number
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.task_runner import ClusterRunner, LocalRunner, TaskRunner

if TYPE_CHECKING:
    from rs_denoise.recordings.frame import Frame
    from rs_denoise.simulation.simulate import DataSet

CHECKED_FRAMES = 100
DRAWN = 4
# The real frames of the check were taken in furnished rooms.
CHECKED_PLACES = ("room", "desk")


class Split(str, Enum):
    """Parts of a data set that share neither scenes nor meshes."""

    train = "train"
    validation = "validation"
    test = "test"


class OutputFormat(str, Enum):
    """How a sequence is written."""

    images = "images"
    rosbag2 = "rosbag2"


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, from 1."""

    number: int
    count: int


def _parse_shard(text: str) -> Shard:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    shard = Shard(int(match[1]), int(match[2])) if match else Shard(0, 0)
    if not 1 <= shard.number <= shard.count:
        raise typer.BadParameter(f"expected i/n with 1 <= i <= n, got '{text}'")
    return shard


def simulate(
    out: Annotated[
        Path | None,
        typer.Argument(metavar="OUT", help="Folder of the data set; an existing one is continued."),
    ] = None,
    frames: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of scenes; each gives --length frames.")
    ] = CHECKED_FRAMES,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="The same seed gives the same frames.")
    ] = 0,
    camera: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CAMERA", help="d415, d435, d455 or d405; repeat to mix.", show_default="all"
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="WIDTHxHEIGHT", help="Image size, a profile of the cameras.")
    ] = "848x480",
    native_fraction: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="FRACTION",
            help="Fraction of the scenes to match at 1280x720 and scale to --size.",
            show_default="0; with --check and no OUT 1, like the real frames",
        ),
    ] = None,
    strict_fraction: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="FRACTION",
            help="Fraction of the cameras whose matcher is stricter than a real one's.",
        ),
    ] = 0.0,
    place: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE",
            help="room, corridor, warehouse, desk or outdoors; repeat to mix.",
            show_default="all",
        ),
    ] = None,
    split: Annotated[
        Split,
        typer.Option(
            metavar="|".join(choice.value for choice in Split),
            help="Splits share no scene and no mesh.",
        ),
    ] = Split.train,
    length: Annotated[int, typer.Option(min=1, metavar="N", help="Views per scene, at 30 Hz.")] = 1,
    output_format: Annotated[
        OutputFormat,
        typer.Option(
            "--format",
            metavar="|".join(choice.value for choice in OutputFormat),
            help="Frame folders, or one rosbag2 per scene.",
        ),
    ] = OutputFormat.images,
    versions: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Cameras per scene, each with its own noise and matcher."
        ),
    ] = 1,
    ground_truth_every: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Write the ground truth of every N-th frame only."),
    ] = 1,
    public_domain: Annotated[
        bool, typer.Option("--public-domain", help="Use only public-domain meshes.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Processes on this machine.", show_default="one per core"
        ),
    ] = None,
    scheduler: options.Scheduler = None,
    shard: Annotated[
        Shard | None,
        typer.Option(parser=_parse_shard, metavar="I/N", help="Render only part I of N."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the errors with those of real cameras.")
    ] = False,
    beside: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="With --check: add a column for these real frames with ground truth.",
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With --check: also write a picture of some frames to this PNG."
        ),
    ] = None,
    fidelity: Annotated[
        Path | None,
        typer.Option(
            metavar="FRAMES",
            help="Do not simulate: run the matcher on the infrared pairs of real frame folders, "
            "and compare with the camera's own depth.",
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="With --fidelity: write the metrics here."),
    ] = None,
) -> None:
    """Renders scenes as a simulated RealSense camera measures them, with ground truth.

    `--check` without OUT makes 100 indoor frames of a D415 in a temporary folder, and compares
    their errors with those of a real camera.
    """
    from rs_denoise.simulation.presets import MIX
    from rs_denoise.simulation.scenes.places import PLACES
    from rs_denoise.simulation.simulate import DataSet

    if fidelity is not None:
        _report_fidelity(fidelity, json_file)
        return
    if json_file is not None:
        raise typer.BadParameter("--json needs --fidelity")
    if out is None and not check:
        raise typer.BadParameter("give an output folder, --check, or --fidelity FRAMES")
    if scheduler is not None and (out is None or workers is not None):
        raise typer.BadParameter(
            "--scheduler needs OUT, on storage that all workers share, and no --workers"
        )
    if not check and (beside is not None or picture is not None):
        raise typer.BadParameter("--beside and --picture need --check")
    if out is not None:
        options.check_out_folder(out)
    width_height = options.parse_size(size)
    assert width_height is not None
    with TemporaryDirectory() as temporary:
        data_set = DataSet(
            out=(out or Path(temporary)).absolute(),
            seed=seed,
            split=split.value,
            cameras=tuple(camera or (("d415",) if check else MIX)),
            size=width_height,
            native_fraction=_default_native_fraction(check, out)
            if native_fraction is None
            else native_fraction,
            strict_fraction=strict_fraction,
            places=tuple(place or (CHECKED_PLACES if check else PLACES)),
            versions=versions,
            length=length,
            bags=output_format is OutputFormat.rosbag2,
            ground_truth_every=ground_truth_every,
            public_domain=public_domain,
        )
        _check_choices(data_set)
        real = _read_real(data_set, beside, picture) if check else []
        local = LocalRunner(workers or os.cpu_count() or 1)
        runner = local if scheduler is None else ClusterRunner(scheduler)
        _simulate(data_set, frames, runner, shard or Shard(1, 1))
        if check:
            _check_realism(data_set, frames, real, picture)


def _default_native_fraction(check: bool, out: Path | None) -> float:
    """Frames that only the check sees are matched at the size at which the real ones were."""
    return 1.0 if check and out is None else 0.0


def _report_fidelity(frames: Path, json_file: Path | None) -> None:
    from rs_denoise.cli.fidelity import report_fidelity

    options.check_out(json_file)
    report_fidelity(frames, json_file)


def _check_choices(data_set: DataSet) -> None:
    from rs_denoise.camera_models import PROFILES
    from rs_denoise.simulation.presets import PRESETS
    from rs_denoise.simulation.scenes.places import PLACES

    sizes = tuple(f"{width}x{height}" for width, height in PROFILES)
    for what, given, known in (
        ("camera", data_set.cameras, tuple(PRESETS)),
        ("place", data_set.places, tuple(PLACES)),
        ("size", ("x".join(map(str, data_set.size)),), sizes),
    ):
        for name in given:
            if name not in known:
                raise typer.BadParameter(f"{what} must be one of {', '.join(known)}, got '{name}'")


def _simulate(data_set: DataSet, frames: int, runner: TaskRunner, part: Shard) -> None:
    from rs_denoise.simulation.mitsuba import describe_variant
    from rs_denoise.simulation.scenes.furniture import library_folder
    from rs_denoise.simulation.simulate import begin_or_resume_data_set, shard, simulate

    console = make_console()
    begin_or_resume_data_set(data_set)
    console.print(f"rendering with {describe_variant()}")
    if library_folder() is None:
        console.print(
            "no furniture: scenes hold primitives only ('make furniture')", style="yellow"
        )
    scenes, failed = shard(range(frames), part.number, part.count), 0
    done = simulate(data_set, scenes, runner)
    for index, error in track(done, "simulating", total=len(scenes), console=console):
        if error is not None:
            failed += 1
            console.print(f"scene {index}: {type(error).__name__}: {error}", style="red")
    console.print(f"{len(scenes) - failed} of {len(scenes)} scenes in {data_set.out}")
    if scenes and failed == len(scenes):
        raise typer.Exit(1)


def _read_real(data_set: DataSet, beside: Path | None, picture: Path | None) -> list[Frame]:
    """Rejects what --check cannot do, before any work; returns the real frames of --beside."""
    from rs_denoise.recordings.folders.frame_folder import find_frames, read_frame
    from rs_denoise.recordings.resample import resample_frame

    if data_set.bags or data_set.length > 1:
        raise typer.BadParameter("--check looks at single frames: leave --length and --format out")
    options.check_out(picture)
    paths = find_frames(beside)[0] if beside else []
    frames = [resample_frame(read_frame(path), *data_set.size) for path in paths]
    known = [frame for frame in frames if frame.ground_truth_mm is not None]
    if beside and not known:
        raise RecordingError(f"{beside}: no frame with camera.json has ground truth")
    return known


def _check_realism(data_set: DataSet, frames: int, real: list[Frame], picture: Path | None) -> None:
    from rs_denoise.recordings.folders.frame_folder import read_frame
    from rs_denoise.simulation.check import statistics

    paths = [data_set.path(i, v) for i in range(frames) for v in range(data_set.versions)]
    paths = [path for path in paths if (path / "camera.json").exists()]
    simulated = [statistics(read_frame(path)) for path in paths]
    make_console().print(_make_check_table(simulated, [statistics(frame) for frame in real]))
    if picture is not None:
        from rs_denoise.drawing.picture import draw_frames
        from rs_denoise.recordings.images import write_png

        shown = [("real", frame) for frame in real[:: max(len(real) // 2, 1)][:2]]
        shown += [("simulated", read_frame(path)) for path in paths[:DRAWN]]
        write_png(picture, draw_frames(shown))


def _make_check_table(simulated: list[dict[str, float]], beside: list[dict[str, float]]) -> Table:
    from rs_denoise.simulation.check import REAL, agrees

    table = Table(title=f"medians over {len(simulated)} simulated frames", title_justify="left")
    headings = ["statistic", "real", "simulated", "10 to 90 %", ""]
    if beside:
        headings.append(f"{len(beside)} frames beside")
    for name in headings:
        table.add_column(name, justify="left" if name == "statistic" else "right")
    for name in simulated[0]:
        low, median, high = np.nanpercentile([s[name] for s in simulated], [10, 50, 90])
        cells: list[str | Text] = [
            format_number(REAL.get(name)),
            format_number(median),
            f"{low:.2f} to {high:.2f}",
        ]
        cells.append("" if agrees(name, median) else Text("off", style="red"))
        if beside:
            cells.append(format_number(float(np.nanmedian([r[name] for r in beside]))))
        table.add_row(name, *cells)
    return table
