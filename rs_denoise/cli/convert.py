"""`rs_denoise convert`: a recording of any kind as one of another kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from rs_denoise.cli import options
from rs_denoise.gate import Gate
from rs_denoise.offline import Method, OfflineDenoiser
from rs_denoise.recordings.bags.rosbag2_writer import write_bag
from rs_denoise.recordings.bags.sdk_writer import RATE_HZ, SUFFIX, stamped, write_sdk_recording
from rs_denoise.recordings.bags.topics import Topics
from rs_denoise.recordings.complete_output import complete_or_absent
from rs_denoise.recordings.folders.frame_folder import write_frame, write_png
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.recording import open_recording


class Kind(str, Enum):
    """What can be written."""

    rosbag2 = "rosbag2"
    realsense = "realsense"
    frames = "frames"


def convert(
    recording: options.RecordingPath,
    out: Annotated[Path, typer.Argument(help="What is written; must not exist.")],
    to: Annotated[
        Kind,
        typer.Option(
            help="rosbag2: a folder for RViz and Foxglove, with the driver's topics; realsense: a "
            ".db3 for RealSense Viewer; frames: folders of PNG."
        ),
    ] = Kind.rosbag2,
    denoise: Annotated[
        bool, typer.Option(help="Add denoised depth beside that of the camera.")
    ] = False,
    rate: Annotated[
        float, typer.Option(min=0.1, help="Hz, for frames of which nothing says when they were.")
    ] = RATE_HZ,
    depth_topic: options.DepthTopic = None,
    infrared_topic: options.InfraredTopic = None,
    ground_truth_topic: options.GroundTruthTopic = None,
    camera_info_topic: options.CameraInfoTopic = None,
    baseline: options.Baseline = None,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
) -> None:
    """Writes depth, infrared and ground truth of a recording in another format.

    OUT appears when it is complete.
    """
    if to is Kind.realsense and out.suffix != SUFFIX:
        raise typer.BadParameter(f"recordings of the SDK end in {SUFFIX}, got '{out.name}'")
    console = Console()
    topics = Topics(depth_topic, infrared_topic, ground_truth_topic, camera_info_topic, baseline)
    source = open_recording(recording, topics)
    method: Method | None = None
    if denoise:
        method = OfflineDenoiser.load(model, device, Gate(min_confidence, fill_confidence))
    frames = track(source, "converting", total=source.count, console=console)
    count = _complete_or_nothing(
        out, lambda target: _WRITERS[to](target, stamped(frames, rate), method)
    )
    console.print(f"{count} frames in {out}")
    options.print_skipped(console, source.skipped)


def _complete_or_nothing(out: Path, write: Callable[[Path], int]) -> int:
    """Lets `write` write `out`, which must not exist; returns how many frames it wrote."""
    # `denoise` leaves OUT.part when it is stopped.
    for path in (out, out.with_name(f"{out.name}.part")):
        if path.exists():
            raise RecordingError(f"{path}: exists already; remove it first")
    with complete_or_absent(out) as unfinished:
        count = write(unfinished)
        if not count:
            raise RecordingError(f"{out}: not written, for no frame could be read")
    return count


def _write_frames(path: Path, frames: Iterable[Frame], denoise: Method | None) -> int:
    count = 0
    for frame in frames:
        folder = path / frame.name
        if folder.exists():
            raise RecordingError(f"two frames are called {frame.name}: convert one bag at a time")
        write_frame(folder, frame)
        if denoise is not None:
            write_png(folder / "denoised.png", denoise(frame))
        count += 1
    return count


_WRITERS: dict[Kind, Callable[[Path, Iterable[Frame], Method | None], int]] = {
    Kind.rosbag2: write_bag,
    Kind.realsense: write_sdk_recording,
    Kind.frames: _write_frames,
}
