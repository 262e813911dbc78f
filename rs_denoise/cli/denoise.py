"""`rs_denoise denoise`: denoises every frame of a recording with the same core as the node."""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from rs_denoise.camera import CameraError
from rs_denoise.cli import options
from rs_denoise.cli.each_recording import FAILED, run_each
from rs_denoise.depth import round_like
from rs_denoise.drawing.picture import draw_depth, find_depth_range
from rs_denoise.gate import Gate
from rs_denoise.offline import OfflineDenoiser
from rs_denoise.recordings.bags.bag import is_bag
from rs_denoise.recordings.bags.denoised_copy import CopyError, copy_with_denoised
from rs_denoise.recordings.bags.rosbag2_writer import write_rosbag2
from rs_denoise.recordings.bags.topics import TopicOverrides
from rs_denoise.recordings.complete_output import complete_or_absent
from rs_denoise.recordings.find_recordings import find_recordings
from rs_denoise.recordings.folders.frame_folder import read_frame, write_frame
from rs_denoise.recordings.frame import Frame, RecordingError, add_missing_stamps
from rs_denoise.recordings.images import read_png, write_png
from rs_denoise.recordings.map_ahead import map_ahead
from rs_denoise.recordings.recording import (
    DENOISED_NOTE,
    FRAMES_AHEAD,
    Recording,
    open_recording,
)
from rs_denoise.recordings.resumable_output import begin_or_resume

if TYPE_CHECKING:
    from rs_denoise.denoiser import Denoised

CAMERA, CONFIDENCE, PICTURE = "camera.json", "confidence.png", "picture.png"
# Folder of each frame, with the frame's stamp.
Folders = dict[Path, int | None]


class ResultFormat(str, Enum):
    """What can be written."""

    images = "images"
    rosbag2 = "rosbag2"


def denoise(
    recordings: options.RecordingPaths,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The output folder; of several recordings, with a folder for each.",
        ),
    ],
    format_: Annotated[
        ResultFormat,
        typer.Option(
            "--format",
            metavar="|".join(choice.value for choice in ResultFormat),
            help="images: OUT/<frame>/depth.png (uint16 mm), confidence.png (uint8, 255 = certain) "
            "and camera.json; rosbag2: a copy of the bag with denoised/... beside its topics.",
        ),
    ] = ResultFormat.images,
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures",
            help="Also write OUT/<frame>/picture.png for viewers: denoised depth in colours with a "
            "scale in metres, the same for all frames; dark grey is invalid.",
        ),
    ] = False,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
    depth_topic: options.DepthTopic = None,
    infrared_topic: options.InfraredTopic = None,
    right_infrared_topic: options.RightInfraredTopic = None,
    camera_info_topic: options.CameraInfoTopic = None,
    baseline: options.Baseline = None,
) -> None:
    """Denoises every frame of recordings. Repeat the command to resume a stopped run.

    Of several recordings, or a folder of them, one that fails does not stop the others; the exit
    code is 3 then.
    """
    if pictures and format_ is not ResultFormat.images:
        raise typer.BadParameter("--pictures are written beside images: leave --format out")
    console = Console()
    overrides = TopicOverrides(
        depth_topic,
        infrared_topic,
        camera_info=camera_info_topic,
        baseline_m=baseline,
        infrared_right=right_infrared_topic,
    )
    gate = Gate(min_confidence, fill_confidence)
    found = find_recordings(recordings)
    if len(found) == 1:
        (recording,) = found.values()
        # Before the model is loaded, which takes seconds.
        opened = _open(recording, out, overrides, format_)
        denoiser = OfflineDenoiser.load(model, device, gate)
        _denoise_recording(opened, recording, out, denoiser, overrides, format_, pictures, console)
        return
    denoiser = OfflineDenoiser.load(model, device, gate)
    out.mkdir(parents=True, exist_ok=True)

    def denoise_one(name: str, recording: Path) -> None:
        console.print(f"[bold]{name}", highlight=False)
        opened = _open(recording, out / name, overrides, format_)
        one = OfflineDenoiser(denoiser.model, gate)
        _denoise_recording(
            opened, recording, out / name, one, overrides, format_, pictures, console
        )

    failed = run_each(found, denoise_one, console)
    console.print(f"{len(found) - len(failed)} of {len(found)} recordings in {out}")
    if failed:
        raise typer.Exit(FAILED)


def _open(
    recording: Path, out: Path, overrides: TopicOverrides, format_: ResultFormat
) -> Recording:
    opened = open_recording(recording, overrides)
    if format_ is ResultFormat.rosbag2 and out.exists():
        raise RecordingError(f"{out}: exists already; remove it first")
    return opened


def _denoise_recording(
    opened: Recording,
    recording: Path,
    out: Path,
    denoiser: OfflineDenoiser,
    overrides: TopicOverrides,
    format_: ResultFormat,
    pictures: bool,
    console: Console,
) -> None:
    """Denoises one recording into `out` and prints what was done."""
    images = out if format_ is ResultFormat.images else out.with_name(f"{out.name}.part")
    settings = _collect_settings(recording, denoiser, overrides)
    if not begin_or_resume(images, DENOISED_NOTE, settings):
        console.print("[yellow]its denoised.json was damaged: every frame is denoised again")
        _mark_incomplete(images)
    folders, new = _denoise_frames(opened, denoiser, images, pictures, console)
    missing: list[str] = []
    if format_ is ResultFormat.rosbag2:
        with complete_or_absent(out) as unfinished:
            missing = _write_bag(recording, overrides, opened, folders, unfinished)
        shutil.rmtree(images)
    before = f", {len(folders) - new} of them from before" if new < len(folders) else ""
    console.print(f"{len(folders)} frames in {out}{before}", highlight=False)
    for note in [*missing, *opened.notes]:
        console.print(f"[yellow]{note}", highlight=False)
    options.print_skipped(console, opened.skipped)


def _collect_settings(
    recording: Path, denoiser: OfflineDenoiser, overrides: TopicOverrides
) -> dict[str, object]:
    """All settings that change a pixel, so that the results in one folder are consistent."""
    model, gate = denoiser.model, denoiser.gate
    return {
        "recording": str(recording.resolve()),
        "model": model.manifest.name,
        "model_sha256": hashlib.sha256(model.path.read_bytes()).hexdigest(),
        "precision": str(model.precision),
        **{name: str(value) for name, value in {**asdict(gate), **asdict(overrides)}.items()},
    }


def _denoise_frames(
    opened: Recording, denoiser: OfflineDenoiser, images: Path, pictures: bool, console: Console
) -> tuple[Folders, int]:
    """Denoises the frames that an earlier run did not; gives all folders, and how many are new.

    Images are encoded and written in threads while the network works on the next frame.
    """
    folders: Folders = {}
    colours: list[tuple[float, float]] = []  # of the first frame, for all

    def denoise_new() -> Iterator[tuple[Path, Frame, Denoised | None]]:
        for frame in track(opened, "denoising", total=opened.count, console=console):
            folder = images / frame.name
            if pictures and not colours:
                colours.append(find_depth_range(frame.depth_mm))
            complete = _is_complete(folder)
            if pictures or not complete:
                yield folder, frame, None if complete else denoiser.denoise(frame)
            folders[folder] = frame.stamp_ns

    def write(work: tuple[Path, Frame, Denoised | None]) -> bool:
        folder, frame, result = work
        if result is not None:
            _write_denoised(folder, frame, result, opened.assumed)
        if pictures:
            picture = draw_depth(read_frame(folder).depth_mm, *colours[0])
            write_png(folder / PICTURE, picture)
        return result is not None

    written = map_ahead(write, denoise_new(), FRAMES_AHEAD)
    return folders, sum(written)


def _mark_incomplete(images: Path) -> None:
    """Removes the camera.json of every denoised frame, so that all are made again."""
    for confidence in images.glob(f"*/{CONFIDENCE}"):
        confidence.with_name(CAMERA).unlink(missing_ok=True)


def _is_complete(folder: Path) -> bool:
    """Whether an earlier run wrote this frame, and no full disk or power failure damaged it."""
    try:
        read_png(folder / CONFIDENCE)
        read_frame(folder)
    except (RecordingError, CameraError, OSError):
        return False
    return True


def _write_denoised(folder: Path, frame: Frame, result: Denoised, assumed: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    confidence = np.rint(np.nan_to_num(result.confidence) * 255).astype(np.uint8)
    write_png(folder / CONFIDENCE, confidence)
    # Last, because its camera.json marks the folder as complete.
    depth_mm = round_like(result.depth_mm, frame.depth_mm)
    denoised = Frame(frame.name, frame.camera, depth_mm, stamp_ns=frame.stamp_ns)
    write_frame(folder, denoised, assumed=assumed)


def _write_bag(
    recording: Path, overrides: TopicOverrides, opened: Recording, folders: Folders, out: Path
) -> list[str]:
    """Writes the recording with the denoised frames as a rosbag2; gives what is missing in it."""
    by_stamp = defaultdict(list)
    for folder, stamp in folders.items():
        by_stamp[stamp or 0].append(folder)
    if is_bag(recording):
        try:
            return copy_with_denoised(recording, overrides, by_stamp, out)
        except CopyError as error:
            shutil.rmtree(out, ignore_errors=True)
            reason = str(error)
    else:
        reason = "it is no bag"
    by_name = {folder.name: folder for folder in folders}
    count = write_rosbag2(
        out, add_missing_stamps(opened), lambda frame: read_frame(by_name[frame.name]).depth_mm
    )
    if count < len(folders):
        raise RecordingError(f"{out}: only {count} of {len(folders)} frames could be written")
    return [f"only depth, infrared and ground truth of {recording.name} are copied: {reason}"]
