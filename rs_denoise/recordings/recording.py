"""Opens a recording of any kind, recognised by its content; frames are read on demand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from rs_denoise.camera import CameraError
from rs_denoise.recordings.bags.bag import METADATA, bag_files, is_bag
from rs_denoise.recordings.bags.bag_reader import REASONS_IN_ERROR, BagReader
from rs_denoise.recordings.bags.topics import NO_INFRARED
from rs_denoise.recordings.folders.autoencoder_folder import (
    INFRARED,
    AutoencoderFrame,
    find_autoencoder_frames,
)
from rs_denoise.recordings.folders.frame_folder import (
    INFRARED_PNG,
    find_frames,
    read_assumed,
    read_frame,
)
from rs_denoise.recordings.folders.image_camera import CameraFiller
from rs_denoise.recordings.folders.raw_images import RawFrame, find_raw_frames
from rs_denoise.recordings.frame import WITHOUT_INFRARED, Frame, RecordingError
from rs_denoise.recordings.map_ahead import map_ahead
from rs_denoise.recordings.overrides import NO_OVERRIDES, Overrides
from rs_denoise.recordings.skipped import Skipped

FrameReader = Callable[[], Frame]
# Number of frames that are decoded in advance; each has up to four images.
FRAMES_AHEAD = 4
NOT_FOUND = "there is none within 5 ms of their depth, or it cannot be read"
INTRINSICS = ("fx", "fy", "cx", "cy", "baseline_m")
# `rs_denoise denoise` writes this file into its output folders.
DENOISED_NOTE = "denoised.json"
ALREADY_DENOISED = "this is denoised depth without infrared, not depth from a camera"
ASSUMED_CAMERA = (
    "no camera is recorded: a D435 is assumed (focal length and baseline); set it with --camera"
)
ASSUMED_INTRINSICS = "no camera is recorded: a D435's focal length is assumed; set it with --camera"
ASSUMED_BASELINE = "no baseline is recorded: a D435's is assumed; set it with --baseline"
KINDS = (
    "a rosbag2 (folder, .mcap or .db3), a .bag of ROS 1 or of RealSense's SDK, a folder of frames "
    "(each with depth.png and camera.json), of res-*.png, or of .raw images"
)


@dataclass
class Recording:
    """A recording; iterate over it to read its frames one at a time, more than once if needed.

    Attributes:
        count: number of frames, or of a bag's depth images; None if this requires reading
            everything.
        skipped: what could not be read, with the reason; filled while reading, and cleared when
            reading starts again. If only some frames have infrared of an imager, it says how many
            have none.
        notes: what had to be assumed or is missing, as sentences for users.
        assumed: fields of the camera that had to be assumed; camera.json lists them.
        ignored: images of bags that are not decoded ("right infrared", "ground truth").
    """

    read: Callable[[Skipped, frozenset[str]], Iterator[Frame]]
    count: int | None
    skipped: Skipped = field(default_factory=Skipped)
    notes: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    ignored: frozenset[str] = frozenset()

    def without(self, ignored: Iterable[str]) -> Recording:
        """The same recording, read faster: a bag's images of these kinds are not decoded."""
        return replace(self, ignored=frozenset(ignored))

    def __iter__(self) -> Iterator[Frame]:
        count, having = 0, Counter[str]()
        try:
            for frame in self.read(self.skipped, self.ignored):
                count += 1
                having["infrared"] += frame.infrared is not None
                having["right infrared"] += frame.infrared_right is not None
                yield frame
        finally:  # also if only the first frames are read
            for role, consequence in WITHOUT_INFRARED.items():
                if 0 < having[role] < count:
                    what = f"{role} of {count - having[role]} of {count} frames"
                    self.skipped[what] = f"{NOT_FOUND}: they are {consequence}"


def open_recording(path: Path | str, overrides: Overrides = NO_OVERRIDES) -> Recording:
    """Opens a bag, a folder of bags, frame folders, a Denoise-Autoencoder folder, or .raw images.

    Args:
        path: a file or a folder.
        overrides: topics of a bag to read instead of those that are found, and the camera of images
            that are stored without one.

    Raises:
        RecordingError: there is no such recording, or several topics of a bag could be meant.
    """
    path = Path(path)
    if not path.exists():
        raise RecordingError(f"{path}: no such file or folder; expected {KINDS}")
    if is_bag(path):
        return _open_bag(path, overrides)
    raw = find_raw_frames(path)
    if path.is_file() and not raw:
        raise RecordingError(f"{path}: not a recording by its first bytes; expected {KINDS}")
    frames = find_autoencoder_frames(path)
    if frames:
        return _open_autoencoder_frames(path, frames, overrides)
    if raw:
        return _open_raw_frames(raw, overrides)
    bags = find_bags(path)
    if bags:
        refuse_frames_beside_bags(path)
        return _open_bags(bags, overrides)
    if (path / "depth").is_dir():
        raise RecordingError(
            f"{path}: a folder of TUM RGB-D, ScanNet or a similar data set is not read: its depth "
            f"is not from a stereo camera with infrared; expected {KINDS}"
        )
    return _open_frame_folders(path, overrides)


def _open_autoencoder_frames(
    path: Path, frames: list[AutoencoderFrame], overrides: Overrides
) -> Recording:
    readers: dict[str, FrameReader] = {frame.name: frame for frame in frames}
    notes = _note_infrared(frame.path(INFRARED).exists() for frame in frames)
    if frames[0].has_camera:
        return _from_readers(_replace_baselines(readers, overrides), {}, notes)
    return _fill_in_cameras(readers, notes, overrides)


def _open_raw_frames(frames: list[RawFrame], overrides: Overrides) -> Recording:
    readers: dict[str, FrameReader] = {frame.name: frame for frame in frames}
    notes = _note_infrared(frame.infrared is not None for frame in frames)
    intrinsics = not all(frame.has_intrinsics for frame in frames)
    return _fill_in_cameras(readers, notes, overrides, intrinsics)


def _open_frame_folders(path: Path, overrides: Overrides) -> Recording:
    try:
        folders, skipped = find_frames(path)
    except RecordingError as error:
        raise RecordingError(f"{error}; or {KINDS}") from None
    if overrides.camera is not None:
        folders, skipped = sorted({*folders, *skipped}), {}
    readers: dict[str, FrameReader] = {
        f.name: partial(read_frame, f, overrides.camera) for f in folders
    }
    assumed = read_assumed(folders[0]) if folders else []
    notes = [f"camera.json says that these were assumed: {', '.join(assumed)}"] if assumed else []
    if (path / DENOISED_NOTE).exists():
        notes.insert(0, ALREADY_DENOISED)
    else:
        notes += _note_infrared((folder / INFRARED_PNG).exists() for folder in folders)
    unreadable = {
        p.name: f"{reason}; set the camera with --camera" for p, reason in skipped.items()
    }
    return _from_readers(_replace_baselines(readers, overrides), unreadable, notes, assumed)


def _replace_baselines(
    readers: dict[str, FrameReader], overrides: Overrides
) -> dict[str, FrameReader]:
    """Lets the user's baseline, if there is one, replace the recorded ones."""
    return {name: CameraFiller(read, overrides, False) for name, read in readers.items()}


def _fill_in_cameras(
    readers: dict[str, FrameReader],
    notes: list[str],
    overrides: Overrides,
    intrinsics: bool = True,
) -> Recording:
    """Adds the camera or baseline to frames that are stored without: the user's or a default."""
    missing = set(INTRINSICS if intrinsics else ["baseline_m"])
    if intrinsics and overrides.camera is not None:
        missing.clear()
    if overrides.baseline_m is not None:
        missing.discard("baseline_m")
    if missing == {"baseline_m"}:
        notes = [ASSUMED_BASELINE, *notes]
    elif missing:
        notes = [ASSUMED_CAMERA if "baseline_m" in missing else ASSUMED_INTRINSICS, *notes]
    filled: dict[str, FrameReader] = {
        name: CameraFiller(reader, overrides, intrinsics) for name, reader in readers.items()
    }
    return _from_readers(filled, {}, notes, [name for name in INTRINSICS if name in missing])


def _note_infrared(present: Iterable[bool]) -> list[str]:
    """A note if no frame has infrared; if only some have none, `Recording.skipped` says so."""
    return [] if any(present) else [NO_INFRARED]


def _open_bag(path: Path, overrides: Overrides) -> Recording:
    refuse_frames_beside_bags(path)
    bags = find_bags(path)
    if bags != [path]:
        return _open_bags(bags, overrides)
    frames = BagReader(path, overrides)
    return Recording(frames.read, frames.count, notes=frames.notes, assumed=frames.assumed)


def find_bags(path: Path) -> list[Path]:
    """The bags at a path: itself, or those in a folder of several; empty if there are none.

    A folder of files without metadata.yaml is one bag only if they are numbered as its parts.
    """
    if not is_bag(path):
        return sorted(filter(is_bag, path.glob("*/")))
    is_one = not path.is_dir() or (path / METADATA).is_file() or is_split_bag(bag_files(path))
    return [path] if is_one else bag_files(path)


def refuse_frames_beside_bags(path: Path) -> None:
    """Raises a RecordingError if a folder with bags holds frame folders too."""
    if not (path / METADATA).is_file() and any(path.glob("*/depth.png")):
        raise RecordingError(
            f"{path}: holds bags and frame folders, which are not read together; put them into "
            "folders of their own, or give one of the bags"
        )


def is_split_bag(files: list[Path]) -> bool:
    """Whether these are the parts NAME_0, NAME_1, ... of one bag without metadata.yaml."""
    parts = [re.fullmatch(r"(.*_)(\d+)", file.name.partition(".")[0]) for file in files]
    numbers = [int(part[2]) for part in parts if part]
    consecutive = numbers == list(range(min(numbers, default=0), len(files)))
    return len(files) == 1 or (consecutive and len({part[1] for part in parts if part}) == 1)


def _open_bags(paths: list[Path], overrides: Overrides) -> Recording:
    """The frames of several bags one after the other; names are prefixed with the bag's."""
    bags: dict[str, Recording] = {}
    unreadable: dict[str, str] = {}
    for path in paths:
        try:
            bags[path.name] = _open_bag(path, overrides)
        except RecordingError as error:
            unreadable[path.name] = str(error)
    if not bags:
        raise RecordingError("; ".join(unreadable.values()))
    notes = [f"{name}: {note}" for name, bag in bags.items() for note in bag.notes]
    assumed = sorted({name for bag in bags.values() for name in bag.assumed})
    read = partial(_read_bags, bags, unreadable)
    counts = [bag.count for bag in bags.values()]
    known = [count for count in counts if count is not None]
    count = sum(known) if len(known) == len(counts) else None
    return Recording(read, count, notes=notes, assumed=assumed)


def _read_bags(
    bags: dict[str, Recording],
    unreadable: dict[str, str],
    skipped: Skipped,
    ignored: frozenset[str],
) -> Iterator[Frame]:
    skipped.clear()
    skipped.update(unreadable)
    count = 0
    for name, bag in bags.items():
        try:
            for frame in bag.without(ignored):
                count += 1
                yield replace(frame, name=f"{name}_{frame.name}")
        except RecordingError as error:
            skipped[name] = str(error)
        skipped.update({f"{name}: {what}": why for what, why in bag.skipped.items()})
    _require_frames(count, skipped)


def _from_readers(
    readers: dict[str, FrameReader],
    unreadable: dict[str, str],
    notes: list[str],
    assumed: Iterable[str] = (),
) -> Recording:
    read = partial(_read_all, readers.items(), unreadable)
    return Recording(read, len(readers), Skipped(unreadable), notes, list(assumed))


def _read_all(
    readers: Iterable[tuple[str, FrameReader]],
    unreadable: dict[str, str],
    skipped: Skipped,
    ignored: frozenset[str],
) -> Iterator[Frame]:
    """Yields the frames that can be read; lists the others in `skipped`."""
    skipped.clear()
    skipped.update(unreadable)
    count = 0
    for name, result in map_ahead(_try_reading, readers, FRAMES_AHEAD):
        if isinstance(result, Frame):
            count += 1
            yield result
        else:
            skipped[name] = result
    _require_frames(count, skipped)


def _try_reading(named: tuple[str, FrameReader]) -> tuple[str, Frame | str]:
    """The name, and the frame or the reason why it cannot be read."""
    name, reader = named
    try:
        return name, reader()
    except (RecordingError, CameraError, OSError) as error:
        return name, str(error)


def _require_frames(count: int, skipped: Skipped) -> None:
    """Raises an error if no frame could be read, as a bag does."""
    if not count:
        reasons = [f"{name}: {reason}" for name, reason in skipped.items()]
        raise RecordingError(f"no frame can be used ({'; '.join(reasons[:REASONS_IN_ERROR])})")
