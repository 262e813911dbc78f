"""`rs_denoise convert`: writes a recording in another format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

from rs_denoise.cli import options
from rs_denoise.cli.console import count_frames, make_console
from rs_denoise.cli.recording_options import reads_recordings
from rs_denoise.evaluation.frame_comparison import FrameComparison
from rs_denoise.gate import Gate
from rs_denoise.offline import Method, OfflineDenoiser, explain_rejected
from rs_denoise.recordings.atomic_output import atomic_output
from rs_denoise.recordings.bags.rosbag2_writer import write_rosbag2
from rs_denoise.recordings.bags.sdk_writer import SUFFIX, write_sdk_recording
from rs_denoise.recordings.folders.frame_folder import convert_as_stored, write_frame
from rs_denoise.recordings.frame import (
    DEFAULT_RATE_HZ,
    Frame,
    RecordingError,
    add_missing_stamps,
)
from rs_denoise.recordings.images import write_png
from rs_denoise.recordings.overrides import NO_OVERRIDES, Overrides
from rs_denoise.recordings.recording import open_recording


class RecordingFormat(str, Enum):
    """What can be written."""

    rosbag2 = "rosbag2"
    realsense = "realsense"
    frames = "frames"


@reads_recordings
def convert(
    recording: options.RecordingPath,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Output; must not exist yet.")],
    to: Annotated[
        RecordingFormat,
        typer.Option(
            metavar="|".join(choice.value for choice in RecordingFormat),
            help="rosbag2: a folder for RViz and Foxglove, with the driver's topics; realsense: a "
            ".db3 for RealSense Viewer; frames: folders of PNG files.",
        ),
    ] = RecordingFormat.rosbag2,
    denoise: Annotated[bool, typer.Option(help="Also write denoised depth.")] = False,
    rate: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=1000,
            metavar="HZ",
            help="Frame rate, Hz, of frames without a recorded stamp.",
        ),
    ] = DEFAULT_RATE_HZ,
    overrides: Overrides = NO_OVERRIDES,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
) -> None:
    """Writes the depth, infrared and ground truth of a recording in another format.

    OUT is created only when the conversion is complete.
    """
    if to is RecordingFormat.realsense and out.suffix != SUFFIX:
        raise typer.BadParameter(f"recordings of the SDK end in {SUFFIX}, got '{out.name}'")
    options.check_out_folder(out.absolute().parent)
    console = make_console()
    source = open_recording(recording, overrides)
    rejections: list[str | None] = []
    method: Method | None = None
    if denoise:
        denoiser = OfflineDenoiser.load(model, device, Gate(min_confidence, fill_confidence))
        method = _note_rejections(denoiser, rejections)
    frames = track(source, "converting", total=source.count, console=console)
    count = _write(out, to, add_missing_stamps(frames, rate), method, source.assumed)
    console.print(f"{count_frames(count)} in {out}")
    options.print_remarks(console, source.notes, source.skipped | explain_rejected(rejections))


def _note_rejections(denoiser: OfflineDenoiser, rejections: list[str | None]) -> Method:
    """The denoiser as a method that adds why each frame's right infrared was not used, or None."""

    def denoise(frame: Frame) -> np.ndarray:
        comparison = FrameComparison.of(frame, denoiser)
        rejections.append(comparison.right_rejection)
        return comparison.denoised_mm

    return denoise


def _write(
    out: Path,
    to: RecordingFormat,
    frames: Iterable[Frame],
    denoise: Method | None,
    assumed: list[str],
) -> int:
    """Writes the frames to `out`, which appears when it is complete; returns their number."""
    # A stopped `rs_denoise denoise` leaves OUT.part.
    for path in (out, out.with_name(f"{out.name}.part")):
        if path.exists():
            raise RecordingError(f"{path}: exists already; remove it first")
    with atomic_output(out) as unfinished:
        if to is RecordingFormat.frames:
            count = _write_frames(unfinished, frames, denoise, assumed)
        else:
            count = _WRITERS[to](unfinished, frames, denoise)
    return count


def _write_frames(
    path: Path, frames: Iterable[Frame], denoise: Method | None, assumed: list[str]
) -> int:
    count = 0
    for frame in frames:
        folder = path / frame.name
        if folder.exists():
            raise RecordingError(f"two frames are named {frame.name}: convert one bag at a time")
        write_frame(folder, frame, assumed=assumed)
        if denoise is not None:
            denoised = convert_as_stored(denoise(frame), frame.depth_mm)
            write_png(folder / "denoised.png", denoised)
        count += 1
    return count


_WRITERS: dict[RecordingFormat, Callable[[Path, Iterable[Frame], Method | None], int]] = {
    RecordingFormat.rosbag2: write_rosbag2,
    RecordingFormat.realsense: write_sdk_recording,
}
