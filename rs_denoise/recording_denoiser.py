"""Denoises recordings into folders or bags, for `rs_denoise denoise`."""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rs_denoise.camera import CameraError
from rs_denoise.depth import round_like
from rs_denoise.drawing.picture import draw_depth, find_depth_range
from rs_denoise.gate import MIN_FILL, Gate
from rs_denoise.offline import (
    OfflineDenoiser,
    Progress,
    explain_rejected,
    use_share_of_cores,
)
from rs_denoise.recordings.atomic_output import atomic_output
from rs_denoise.recordings.bags.denoised_copy import CopyError, copy_with_denoised
from rs_denoise.recordings.bags.rosbag2_writer import write_rosbag2
from rs_denoise.recordings.folders.frame_folder import read_frame, write_frame
from rs_denoise.recordings.frame import Frame, RecordingError, add_missing_stamps
from rs_denoise.recordings.images import read_png, write_png
from rs_denoise.recordings.map_ahead import map_ahead
from rs_denoise.recordings.overrides import Overrides
from rs_denoise.recordings.recording import (
    DENOISED_NOTE,
    FRAMES_AHEAD,
    Recording,
    find_bags,
    open_recording,
)
from rs_denoise.recordings.recording_size import count_bytes
from rs_denoise.recordings.resumable_output import begin_or_resume, was_begun
from rs_denoise.shipped_models import DEFAULT_MODEL

if TYPE_CHECKING:
    from rs_denoise.denoiser import Denoised
    from rs_denoise.model import Model

CAMERA, CONFIDENCE, PICTURE = "camera.json", "confidence.png", "picture.png"
# Key of camera.json: checksum of the camera and the images that a frame was denoised from.
SOURCE = "source_crc32"
DAMAGED = "its denoised.json was damaged: every frame is denoised again"
# Folder of each frame, with the frame's stamp.
Folders = dict[Path, int | None]


@dataclass(frozen=True)
class DenoiseSettings:
    """How recordings are denoised, and what is written.

    Attributes:
        model: file or name of the model.
        device: that runs it.
        gate: which pixels are published.
        overrides: topics to read instead of those found in a bag, and the camera of images that are
            stored without one.
        bag: write a rosbag2 instead of folders with images.
        pictures: draw each frame too.
    """

    model: Path | str = DEFAULT_MODEL
    device: str = "auto"
    gate: Gate = field(default_factory=Gate)
    overrides: Overrides = field(default_factory=Overrides)
    bag: bool = False
    pictures: bool = False


@dataclass(frozen=True)
class DenoisedRecording:
    """What was done with a recording.

    Attributes:
        frames: how many frames the output holds; None of a bag that an earlier run finished.
        new: how many of them were denoised now.
        notes: what had to be assumed or is missing, as sentences.
        skipped: what could not be read, with the reason.
    """

    frames: int | None
    new: int
    notes: list[str]
    skipped: dict[str, str]


@dataclass(frozen=True)
class _NewFrame:
    """What happened to a frame that this run denoised.

    Attributes:
        emptied: whether denoising has emptied it.
        right_rejection: why its right infrared was not used, or None.
    """

    emptied: bool
    right_rejection: str | None


class RecordingDenoiser:
    """Denoises one recording after the other with the same model and settings.

    Args:
        settings: for all recordings.
    """

    def __init__(self, settings: DenoiseSettings) -> None:
        self.settings = settings
        self._model: Model | None = None

    def load(self) -> Model:
        """Loads the model, once; errors are those of `Model`."""
        if self._model is None:
            from rs_denoise.model import Model
            from rs_denoise.precision import choose_precision

            # Not Model.load: each thread that denoises sets its own number of PyTorch's threads.
            model = Model(self.settings.model, self.settings.device)
            self._model, _ = choose_precision(model)
        return self._model

    def denoise(
        self, recording: Path, out: Path, progress: Progress = lambda frames, _: frames
    ) -> DenoisedRecording:
        """Denoises every frame that an earlier run did not.

        Args:
            recording: its path.
            out: the folder or bag to write.
            progress: shows how far it is.

        Raises:
            RecordingError: the recording cannot be read, or `out` is something else.
            ResumeError: `out` was begun with other settings.
            ModelError: the model file cannot be read.
        """
        # Before the model is loaded, which takes seconds.
        opened = open_recording(recording, self.settings.overrides)
        bag_exists = self.settings.bag and out.exists()
        if bag_exists and not (out / DENOISED_NOTE).exists():
            raise RecordingError(f"{out}: exists already; remove it first")
        denoiser = OfflineDenoiser(self.load(), self.settings.gate)
        settings = _collect_settings(recording, denoiser, self.settings.overrides)
        if self.settings.bag:  # a finished bag is not compared with the recording frame by frame
            settings["recording_bytes"] = count_bytes(recording)
        if bag_exists:
            if not was_begun(out, DENOISED_NOTE, settings):
                raise RecordingError(f"{out}/{DENOISED_NOTE} is damaged; remove the bag first")
            return DenoisedRecording(None, 0, [], {})
        images = out.with_name(f"{out.name}.part") if self.settings.bag else out
        notes = []
        if not begin_or_resume(images, DENOISED_NOTE, settings):
            notes.append(DAMAGED)
            _mark_incomplete(images)
        try:
            folders, new = _denoise_frames(
                opened, denoiser, images, self.settings.pictures, progress
            )
        except RecordingError:
            _remove_without_frames(images)
            raise
        notes += _note_emptied(sum(frame.emptied for frame in new), len(new))
        if self.settings.bag:
            with atomic_output(out) as unfinished:
                notes += _write_bag(recording, self.settings.overrides, opened, folders, unfinished)
                # The bag is complete and made with these settings: another run need not repeat it.
                shutil.copy(images / DENOISED_NOTE, unfinished)
            shutil.rmtree(images)
        else:
            notes += _note_other_frames(images, folders)
        skipped = opened.skipped | explain_rejected(frame.right_rejection for frame in new)
        return DenoisedRecording(len(folders), len(new), [*notes, *opened.notes], skipped)


def _collect_settings(
    recording: Path, denoiser: OfflineDenoiser, overrides: Overrides
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
    opened: Recording, denoiser: OfflineDenoiser, images: Path, pictures: bool, progress: Progress
) -> tuple[Folders, list[_NewFrame]]:
    """Denoises the frames that an earlier run did not; each thread denoises and writes its own.

    Returns:
        The folders of all frames, and the frames that are new.
    """
    unused = {"ground truth"}
    if not denoiser.model.kind.uses_right_infrared:
        unused.add("right infrared")
    folders: Folders = {}
    colours: list[tuple[float, float]] = []  # of the first frame, for all

    def incomplete() -> Iterator[tuple[Path, Frame, bool]]:
        for frame in progress(opened.without(unused), opened.count):
            folder = images / frame.name
            if pictures and not colours:
                colours.append(find_depth_range(frame.depth_mm))
            complete = _is_complete(folder, frame)
            if pictures or not complete:
                yield folder, frame, complete
            folders[folder] = frame.stamp_ns

    def denoise(work: tuple[Path, Frame, bool]) -> _NewFrame | None:
        folder, frame, complete = work
        new = None
        if not complete:
            result = denoiser.denoise(frame)
            emptied = _is_nearly_empty(result.depth_mm) and not _is_nearly_empty(frame.depth_mm)
            new = _NewFrame(emptied, result.right_rejection)
            _write_denoised(folder, frame, result, opened.assumed)
        if pictures:
            picture = draw_depth(read_frame(folder).depth_mm, *colours[0])
            write_png(folder / PICTURE, picture)
        return new

    done = list(map_ahead(denoise, incomplete(), FRAMES_AHEAD, prepare=use_share_of_cores))
    return folders, [new for new in done if new is not None]


def _is_nearly_empty(depth_mm: np.ndarray) -> bool:
    return bool(np.count_nonzero(depth_mm) < MIN_FILL * depth_mm.size)


def _note_emptied(emptied: int, new: int) -> list[str]:
    """A note if denoising has emptied frames."""
    if not emptied:
        return []
    return [
        f"{emptied} of {new} frames have less than {100 * MIN_FILL:g} % valid pixels after "
        "denoising, and had more before: is --min-confidence too high, or the depth in another "
        "unit than mm?"
    ]


def _remove_without_frames(images: Path) -> None:
    """Removes a folder without any result: its settings would prevent a repeat with others."""
    if [path.name for path in images.iterdir()] == [DENOISED_NOTE]:
        shutil.rmtree(images)


def _note_other_frames(images: Path, folders: Folders) -> list[str]:
    """A note if the folder holds denoised frames that are not of this recording."""
    others = {path.parent for path in images.glob(f"*/{CAMERA}")} - folders.keys()
    if not others:
        return []
    return [
        f"{len(others)} folders in {images} are of frames that the recording does not have now, "
        f"such as {min(others).name}: remove them if it is another recording"
    ]


def _mark_incomplete(images: Path) -> None:
    """Removes the camera.json of every denoised frame, so that all are made again."""
    for confidence in images.glob(f"*/{CONFIDENCE}"):
        confidence.with_name(CAMERA).unlink(missing_ok=True)


def _is_complete(folder: Path, frame: Frame) -> bool:
    """Whether an earlier run denoised these images, and no full disk or power failure damaged it.

    The path may hold another recording by now.
    """
    try:
        read_png(folder / CONFIDENCE)
        read_frame(folder)
        source = json.loads((folder / CAMERA).read_text()).get(SOURCE)
    except (RecordingError, CameraError, OSError):
        return False
    return source == _checksum(frame)


def _checksum(frame: Frame) -> int:
    checksum = zlib.crc32(str(frame.camera).encode())
    for image in (frame.measured_mm, frame.infrared, frame.infrared_right):
        if image is not None:
            checksum = zlib.crc32(image.tobytes(), checksum)
    return checksum


def _write_denoised(folder: Path, frame: Frame, result: Denoised, assumed: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    confidence = np.rint(np.nan_to_num(result.confidence) * 255).astype(np.uint8)
    write_png(folder / CONFIDENCE, confidence)
    # Last, because its camera.json marks the folder as complete.
    depth_mm = round_like(result.depth_mm, frame.depth_mm)
    denoised = Frame(frame.name, frame.camera, depth_mm, stamp_ns=frame.stamp_ns)
    write_frame(folder, denoised, assumed=assumed, **{SOURCE: _checksum(frame)})


def _write_bag(
    recording: Path, overrides: Overrides, opened: Recording, folders: Folders, out: Path
) -> list[str]:
    """Writes the recording with the denoised frames as a rosbag2; returns what is missing in it."""
    by_stamp = defaultdict(list)
    for folder, stamp in folders.items():
        by_stamp[stamp or 0].append(folder)
    if find_bags(recording) == [recording]:
        try:
            return copy_with_denoised(recording, overrides, by_stamp, out)
        except CopyError as error:
            shutil.rmtree(out, ignore_errors=True)
            reason = str(error)
    else:
        reason = "it is not one bag"
    by_name = {folder.name: folder for folder in folders}
    count = write_rosbag2(
        out,
        add_missing_stamps(opened),
        denoise=lambda frame: read_frame(by_name[frame.name]).depth_mm,
        find_confidence=lambda frame: read_png(by_name[frame.name] / CONFIDENCE),
    )
    if count < len(folders):
        raise RecordingError(f"{out}: only {count} of {len(folders)} frames could be written")
    return [f"only depth, infrared and ground truth of {recording.name} are copied: {reason}"]
