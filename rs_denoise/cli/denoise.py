"""`rs_denoise denoise`: denoises every frame of a recording with the same core as the node."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rs_denoise.cli import options
from rs_denoise.cli.console import count_frames, make_console
from rs_denoise.cli.each_recording import FAILED, run_each, show_progress
from rs_denoise.cli.recording_options import reads_recordings
from rs_denoise.gate import Gate
from rs_denoise.offline import Progress
from rs_denoise.recording_denoiser import DenoisedRecording, DenoiseSettings, RecordingDenoiser
from rs_denoise.recordings.find_recordings import find_recordings
from rs_denoise.recordings.overrides import NO_OVERRIDES, Overrides
from rs_denoise.shipped_models import name_for_others


class ResultFormat(str, Enum):
    """What can be written."""

    images = "images"
    rosbag2 = "rosbag2"


@reads_recordings
def denoise(
    recordings: options.RecordingPaths,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="Output folder; with several recordings, it has a folder for each.",
        ),
    ],
    format_: Annotated[
        ResultFormat,
        typer.Option(
            "--format",
            metavar="|".join(choice.value for choice in ResultFormat),
            help="images: OUT/<frame>/depth.png (uint16 mm), confidence.png (uint8, 255 = certain) "
            "and camera.json; rosbag2: a copy of the bag with additional topics denoised/...",
        ),
    ] = ResultFormat.images,
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures",
            help="Also write OUT/<frame>/picture.png: denoised depth in colours with a scale in "
            "metres, the same for all frames; dark grey is invalid.",
        ),
    ] = False,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
    overrides: Overrides = NO_OVERRIDES,
    scheduler: options.Scheduler = None,
) -> None:
    """Denoises every frame of recordings. Repeat the command to resume a stopped run.

    If one of several recordings fails, the others are still denoised, and the exit code is 3.
    """
    if pictures and format_ is not ResultFormat.images:
        raise typer.BadParameter("--pictures are written next to images: omit --format")
    settings = DenoiseSettings(
        model=model if scheduler is None else name_for_others(model),
        device=device,
        gate=Gate(min_confidence, fill_confidence),
        overrides=overrides,
        bag=format_ is ResultFormat.rosbag2,
        pictures=pictures,
    )
    console, denoiser = make_console(), RecordingDenoiser(settings)
    found = find_recordings(recordings)
    # What is in the place of a bag is examined with the recording.
    options.check_out_folder(out.absolute().parent if settings.bag and len(found) == 1 else out)
    if len(found) == 1 and scheduler is None:
        (recording,) = found.values()
        progress = partial(show_progress, "denoising", console)
        _print_result(console, out, denoiser.denoise(recording, out, progress))
        return
    if scheduler is None:
        denoiser.load()
    outs = {name: out / name if len(found) > 1 else out for name in found}
    out.parent.mkdir(parents=True, exist_ok=True)
    if len(found) > 1:
        out.mkdir(exist_ok=True)
    work = partial(_denoise_one, denoiser, {name: path.absolute() for name, path in outs.items()})

    def print_result(name: str, result: DenoisedRecording) -> None:
        _print_result(console, outs[name], result)

    failed = run_each(found, work, print_result, console, "denoising", scheduler)
    console.print(f"{len(found) - len(failed)} of {len(found)} recordings in {out}", soft_wrap=True)
    if failed:
        raise typer.Exit(FAILED)


def _denoise_one(
    denoiser: RecordingDenoiser,
    outs: Mapping[str, Path],
    name: str,
    recording: Path,
    progress: Progress,
) -> DenoisedRecording:
    return denoiser.denoise(recording, outs[name], progress)


def _print_result(console: Console, out: Path, result: DenoisedRecording) -> None:
    if result.frames is None:
        console.print(f"{out}: already finished", highlight=False, soft_wrap=True)
        return
    before = result.frames - result.new
    console.print(
        f"{count_frames(result.frames)} in {out}"
        + (f", {before} of them from an earlier run" if before else ""),
        highlight=False,
        soft_wrap=True,
    )
    options.print_remarks(console, result.notes, result.skipped)
