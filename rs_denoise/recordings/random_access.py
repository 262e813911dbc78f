"""Random access to the frames of a recording, as training needs it."""

from __future__ import annotations

import zlib
from functools import partial
from pathlib import Path

from rs_denoise.recordings.atomic_output import atomic_output
from rs_denoise.recordings.bags.bag import is_bag
from rs_denoise.recordings.bags.bag_reader import read_bag
from rs_denoise.recordings.bags.topic_names import GROUND_TRUTH
from rs_denoise.recordings.folders.autoencoder_folder import find_autoencoder_frames
from rs_denoise.recordings.folders.frame_folder import find_frames, read_frame, write_frame
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.recording import FrameReader
from rs_denoise.recordings.recording_size import count_bytes


def find_frame_readers(path: Path, unpacked: Path | None = None) -> list[FrameReader]:
    """Finds the frames under `path` and returns a function for each that reads it.

    Args:
        path: frame folders, a folder of the 2020 Denoise-Autoencoder, a bag, or a folder of bags.
        unpacked: folder for the frames of bags. A bag can only be read from its start, so its
            frames with ground truth are unpacked here first; those of an earlier run are reused.
            None to reject bags.

    Raises:
        RecordingError: there is no such recording, or a bag has no ground truth.
    """
    bags = [path] if is_bag(path) else sorted(filter(is_bag, path.glob("*/")))
    if bags and unpacked is None:
        raise RecordingError(f"{path}: a bag, of which frames cannot be read in any order")
    if bags and unpacked is not None:
        folders = [folder for bag in bags for folder in _unpack(bag, unpacked)]
        return [partial(read_frame, folder) for folder in folders]
    frames = find_autoencoder_frames(path)
    if frames:
        return list(frames)
    return [partial(read_frame, folder) for folder in find_frames(path)[0]]


def _unpack(bag: Path, unpacked: Path) -> list[Path]:
    """Writes the frames of a bag that have ground truth as frame folders; returns them in order."""
    # With its size, because another bag may have its path by now.
    identity = f"{bag.resolve()} {count_bytes(bag)}"
    target = unpacked / f"{bag.name}_{zlib.crc32(identity.encode()):08x}"
    if not target.is_dir():
        with atomic_output(target) as unfinished:
            for number, frame in enumerate(read_bag(bag)):
                if frame.ground_truth_mm is not None:
                    write_frame(unfinished / f"{number:08d}_{frame.stamp_ns}", frame)
            if not unfinished.is_dir():
                raise RecordingError(f"{bag}: no frame has ground truth, on a topic {GROUND_TRUTH}")
    return sorted(target.iterdir())
