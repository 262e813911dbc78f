"""Recordings of any kind, told apart by what they hold and read as they are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from rs_denoise.camera import CameraError
from rs_denoise.recordings.bags.bag import METADATA, bag_files, is_bag
from rs_denoise.recordings.bags.bag_reader import BagFrames
from rs_denoise.recordings.bags.topics import Topics
from rs_denoise.recordings.folders.autoencoder_folder import CAMERA, find_triples
from rs_denoise.recordings.folders.frame_folder import find_frames, read_frame
from rs_denoise.recordings.folders.raw_images import find_raw
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.skipped import Skipped

Reader = Callable[[], Frame]
FOUND = Topics()
# What `rs_denoise denoise` leaves in its folders.
DENOISED_NOTE = "denoised.json"
ALREADY_DENOISED = "this depth is denoised already, and has no infrared: it is not the camera's"
ASSUMED_CAMERA = "nothing says which camera it was: a D435 is assumed (focal length and baseline)"
KINDS = (
    "a rosbag2 (folder, .mcap or .db3), a .bag of ROS 1 or of RealSense's SDK, a folder of frames "
    "(each with depth.png and camera.json), of res-*.png, or of .raw images"
)


@dataclass
class Recording:
    """Frames one at a time, in constant memory; can be read more than once.

    Attributes:
        count: of its frames, or of a bag's depth images; None where only reading it all would tell.
        skipped: what could not be read, with the reason; grows while it is read, and begins anew
            with each reading.
        notes: what had to be assumed or is missing, as sentences for whoever reads the results.
    """

    read: Callable[[Skipped], Iterator[Frame]]
    count: int | None
    skipped: Skipped = field(default_factory=Skipped)
    notes: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Frame]:
        return self.read(self.skipped)


def open_recording(path: Path, topics: Topics = FOUND) -> Recording:
    """What `path` holds: a bag, bags, frame folders, the layout of 2020, or .raw images.

    Args:
        path: a file or a folder.
        topics: of a bag, to be read rather than those that are found.

    Raises:
        RecordingError: nothing of the kind is there, or several topics of a bag could be meant.
    """
    if not path.exists():
        raise RecordingError(f"{path}: no such file or folder; expected {KINDS}")
    if is_bag(path):
        return _of_bag(path, topics)
    raw = find_raw(path)
    if path.is_file() and not raw:
        raise RecordingError(f"{path}: not a recording by its first bytes; expected {KINDS}")
    triples = find_triples(path)
    if triples:
        notes = [] if (path / CAMERA).exists() else [ASSUMED_CAMERA]
        return _of_readers({triple.name: triple for triple in triples}, {}, notes)
    if raw:
        return _of_readers({frame.name: frame for frame in raw}, {}, [ASSUMED_CAMERA])
    bags = sorted(filter(is_bag, path.glob("*/")))
    if bags:
        return _one_after_the_other(bags, topics)
    try:
        folders, skipped = find_frames(path)
    except RecordingError as error:
        raise RecordingError(f"{error}; or {KINDS}") from None
    readers: dict[str, Reader] = {f.name: partial(read_frame, f) for f in folders}
    notes = [ALREADY_DENOISED] if (path / DENOISED_NOTE).exists() else []
    return _of_readers(readers, {p.name: reason for p, reason in skipped.items()}, notes)


def _of_bag(path: Path, topics: Topics) -> Recording:
    if path.is_dir() and not (path / METADATA).is_file() and not _is_split(bag_files(path)):
        return _one_after_the_other(bag_files(path), topics)
    frames = BagFrames(path, topics)
    return Recording(frames.read, frames.count, notes=frames.notes)


def _is_split(files: list[Path]) -> bool:
    """Whether these are parts of one bag: NAME_0, NAME_1, ...; its metadata alone is missing."""
    parts = [re.fullmatch(r"(.*_)(\d+)", file.name.partition(".")[0]) for file in files]
    numbers = [int(part[2]) for part in parts if part]
    consecutive = numbers == list(range(min(numbers, default=0), len(files)))
    return len(files) == 1 or (consecutive and len({part[1] for part in parts if part}) == 1)


def _one_after_the_other(paths: list[Path], topics: Topics) -> Recording:
    """The frames of several bags, with the bag's name before the frame's."""
    bags: dict[str, Recording] = {}
    unreadable: dict[str, str] = {}
    for path in paths:
        try:
            bags[path.name] = _of_bag(path, topics)
        except RecordingError as error:
            unreadable[path.name] = str(error)
    if not bags:
        raise RecordingError("; ".join(unreadable.values()))
    notes = [f"{name}: {note}" for name, bag in bags.items() for note in bag.notes]
    return Recording(partial(_frames_of_all, bags, unreadable), None, notes=notes)


def _frames_of_all(
    bags: dict[str, Recording], unreadable: dict[str, str], skipped: Skipped
) -> Iterator[Frame]:
    skipped.clear()
    skipped.update(unreadable)
    for name, bag in bags.items():
        try:
            for frame in bag:
                yield replace(frame, name=f"{name}_{frame.name}")
        except RecordingError as error:
            skipped[name] = str(error)
        skipped.update({f"{name}: {what}": why for what, why in bag.skipped.items()})


def _of_readers(
    readers: dict[str, Reader], unreadable: dict[str, str], notes: list[str]
) -> Recording:
    read = partial(_readable, readers.items(), unreadable)
    return Recording(read, len(readers), Skipped(unreadable), notes)


def _readable(
    readers: Iterable[tuple[str, Reader]], unreadable: dict[str, str], skipped: Skipped
) -> Iterator[Frame]:
    """The frames that can be read; the others are named."""
    skipped.clear()
    skipped.update(unreadable)
    for name, reader in readers:
        try:
            yield reader()
        except (RecordingError, CameraError) as error:
            skipped[name] = str(error)
