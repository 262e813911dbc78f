"""`rs_denoise denoise`: every frame of a recording, through the node's own core."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from rs_denoise.cli import options
from rs_denoise.denoiser import Denoised
from rs_denoise.depth import to_uint16_mm
from rs_denoise.gate import Gate
from rs_denoise.offline import OfflineDenoiser
from rs_denoise.recordings.bags.bag import is_bag
from rs_denoise.recordings.bags.denoised_copy import CopyError, copy_with_denoised
from rs_denoise.recordings.bags.rosbag2_writer import write_bag
from rs_denoise.recordings.bags.sdk_writer import stamped
from rs_denoise.recordings.bags.topics import Topics
from rs_denoise.recordings.folders.frame_folder import read_frame, write_frame, write_png
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.recording import DENOISED_NOTE, Recording, open_recording
from rs_denoise.recordings.resumable_output import claim


class Form(str, Enum):
    """How the result is written."""

    images = "images"
    rosbag2 = "rosbag2"


def denoise(
    recording: options.RecordingPath,
    out: Annotated[Path, typer.Argument(help="A folder, that of the bag with --format rosbag2.")],
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="images: OUT/<frame>/depth.png (uint16 mm), confidence.png (uint8, 255 = certain) "
            "and camera.json; rosbag2: a copy of the bag with denoised/... beside its topics.",
        ),
    ] = Form.images,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
    depth_topic: options.DepthTopic = None,
    infrared_topic: options.InfraredTopic = None,
    camera_info_topic: options.CameraInfoTopic = None,
    baseline: options.Baseline = None,
) -> None:
    """Denoises every frame; the same command again goes on where it was stopped."""
    console = Console()
    topics = Topics(depth_topic, infrared_topic, camera_info=camera_info_topic, baseline_m=baseline)
    opened = open_recording(recording, topics)
    if form is Form.rosbag2 and out.exists():
        raise RecordingError(f"{out}: exists already; remove it first")
    denoiser = OfflineDenoiser.load(model, device, Gate(min_confidence, fill_confidence))
    images = out if form is Form.images else out.with_name(f"{out.name}.part")
    claim(images, DENOISED_NOTE, _settings(recording, denoiser, topics))
    folders, new = _denoise(opened, denoiser, images, console)
    if form is Form.rosbag2:
        # Not at its place before it is complete, and with its final name, which a bag has inside.
        unfinished = images / out.name
        shutil.rmtree(unfinished, ignore_errors=True)
        for line in _write_bag(recording, topics, opened, folders, unfinished):
            console.print(f"[yellow]{line}", highlight=False)
        unfinished.rename(out)
        shutil.rmtree(images)
    before = f", {len(folders) - new} of them from before" if new < len(folders) else ""
    console.print(f"{len(folders)} frames in {out}{before}", highlight=False)
    for note in opened.notes:
        console.print(f"[yellow]{note}", highlight=False)
    options.print_skipped(console, opened.skipped)


def _settings(recording: Path, denoiser: OfflineDenoiser, topics: Topics) -> dict[str, object]:
    """Whatever changes a pixel, so that one folder holds results of one kind."""
    model, gate = denoiser.model, denoiser.gate
    return {
        "recording": str(recording.resolve()),
        "model": model.manifest.name,
        "model_sha256": hashlib.sha256(model.path.read_bytes()).hexdigest(),
        "precision": str(model.precision),
        **{name: str(value) for name, value in {**asdict(gate), **asdict(topics)}.items()},
    }


def _denoise(
    opened: Recording, denoiser: OfflineDenoiser, images: Path, console: Console
) -> tuple[dict[Path, int | None], int]:
    """Denoises what is not there yet; all folders with their stamps, and how many were new."""
    folders: dict[Path, int | None] = {}
    new = 0
    for frame in track(opened, "denoising", total=opened.count, console=console):
        folder = images / frame.name
        if not (folder / "camera.json").exists():
            _write(folder, frame, denoiser.denoise(frame))
            new += 1
        folders[folder] = frame.stamp_ns
    return folders, new


def _write(folder: Path, frame: Frame, result: Denoised) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    confidence = np.rint(np.nan_to_num(result.confidence) * 255).astype(np.uint8)
    write_png(folder / "confidence.png", confidence)
    # camera.json comes last: a folder that has one is complete.
    depth_mm = to_uint16_mm(result.depth_mm)
    write_frame(folder, Frame(frame.name, frame.camera, depth_mm, stamp_ns=frame.stamp_ns))


def _write_bag(
    recording: Path, topics: Topics, opened: Recording, folders: dict[Path, int | None], out: Path
) -> list[str]:
    """Everything of the recording that can be had, with what was denoised; what is missing."""
    of_stamps = {stamp: folder for folder, stamp in folders.items() if stamp is not None}
    if is_bag(recording):
        try:
            return copy_with_denoised(recording, topics, of_stamps, out)
        except CopyError as error:
            shutil.rmtree(out, ignore_errors=True)
            reason = str(error)
    else:
        reason = "it is no bag"
    of_names = {folder.name: folder for folder in folders}
    write_bag(out, stamped(opened), lambda frame: read_frame(of_names[frame.name]).depth_mm)
    return [f"only depth, infrared and ground truth of {recording.name} are copied: {reason}"]
