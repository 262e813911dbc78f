"""Random access to the frames of a recording, as training needs it."""

from __future__ import annotations

import logging
import zlib
from functools import partial
from pathlib import Path

from rs_denoise.recordings.atomic_output import atomic_output
from rs_denoise.recordings.bags.bag_reader import read_bag
from rs_denoise.recordings.bags.topic_names import GROUND_TRUTH
from rs_denoise.recordings.folders.autoencoder_folder import TRUTH, find_autoencoder_frames
from rs_denoise.recordings.folders.frame_folder import (
    GROUND_TRUTH_PNG,
    find_frames,
    read_frame,
    write_frame,
)
from rs_denoise.recordings.folders.image_camera import CameraFiller
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.overrides import NO_OVERRIDES, Overrides
from rs_denoise.recordings.recording import (
    FrameReader,
    find_bags,
    refuse_frames_beside_bags,
)
from rs_denoise.recordings.recording_size import count_bytes

_log = logging.getLogger(__name__)


def find_frame_readers(
    path: Path, unpacked: Path | None = None, overrides: Overrides = NO_OVERRIDES
) -> list[FrameReader]:
    """Finds the frames with ground truth under `path`; returns a function for each that reads it.

    A warning says how many frames lack ground truth or camera.json, and are left out.

    Args:
        path: frame folders, a folder of the 2020 Denoise-Autoencoder, a bag, or a folder of bags.
        unpacked: folder for the frames of bags. A bag can only be read from its start, so its
            frames with ground truth are unpacked here first; those of an earlier run are reused.
            None to reject bags.
        overrides: as of `open_recording`.

    Raises:
        RecordingError: there is no such recording, or none of its frames has ground truth and, in a
            frame folder, camera.json.
    """
    # Twice: the folders in a folder may hold several bags too.
    bags = [bag for found in find_bags(path) for bag in find_bags(found)]
    if bags and unpacked is None:
        raise RecordingError(f"{path}: a bag, of which frames cannot be read in any order")
    if bags and unpacked is not None:
        refuse_frames_beside_bags(path)
        folders = [folder for bag in bags for folder in _unpack(bag, unpacked, overrides)]
        return [partial(read_frame, folder) for folder in folders]
    frames = find_autoencoder_frames(path)
    if frames:
        triples = [frame for frame in frames if frame.path(TRUTH).exists()]
        _tell_left_out(path, len(triples), len(frames), f"{TRUTH}NAME.png")
        assumed = not frames[0].has_camera
        return [CameraFiller(frame, overrides, intrinsics=assumed) for frame in triples]
    folders, without_camera = find_frames(path)
    found = len(folders) + len(without_camera)
    missing = f"{GROUND_TRUTH_PNG} or no camera.json"
    if overrides.camera is not None:
        folders, missing = sorted({*folders, *without_camera}), GROUND_TRUTH_PNG
    known = [folder for folder in folders if (folder / GROUND_TRUTH_PNG).exists()]
    _tell_left_out(path, len(known), found, missing)
    readers = (partial(read_frame, folder, overrides.camera) for folder in known)
    return [CameraFiller(reader, overrides, intrinsics=False) for reader in readers]


def _tell_left_out(path: Path, used: int, found: int, missing: str) -> None:
    reason = f"of {found} frames, which have no {missing}"
    if not used:
        raise RecordingError(f"{path}: training cannot use any {reason}")
    if used < found:
        _log.warning("%s: left out %d %s", path, found - used, reason)


def _unpack(bag: Path, unpacked: Path, overrides: Overrides) -> list[Path]:
    """Writes the frames of a bag that have ground truth as frame folders; returns them in order."""
    # With its size, because another bag may have its path by now.
    identity = f"{bag.resolve()} {count_bytes(bag)} {overrides}"
    target = unpacked / f"{bag.name}_{zlib.crc32(identity.encode()):08x}"
    if not target.is_dir():
        with atomic_output(target) as unfinished:
            for number, frame in enumerate(read_bag(bag, overrides)):
                if frame.ground_truth_mm is not None:
                    write_frame(unfinished / f"{number:08d}_{frame.stamp_ns}", frame)
            if not unfinished.is_dir():
                raise RecordingError(f"{bag}: no frame has ground truth, on a topic {GROUND_TRUTH}")
    return sorted(target.iterdir())
