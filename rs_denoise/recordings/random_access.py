"""Frames on disk that can be read in any order, whatever wrote them."""

from __future__ import annotations

import zlib
from functools import partial
from pathlib import Path

from rs_denoise.recordings.bags.bag import is_bag
from rs_denoise.recordings.bags.bag_reader import read_bag
from rs_denoise.recordings.bags.topics import GROUND_TRUTH
from rs_denoise.recordings.complete_output import complete_or_absent
from rs_denoise.recordings.folders.autoencoder_folder import find_triples
from rs_denoise.recordings.folders.frame_folder import find_frames, read_frame, write_frame
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.recording import Reader


def find_readers(path: Path, unpacked: Path | None = None) -> list[Reader]:
    """What reads each frame under `path`.

    Args:
        path: frame folders, the ancestor's triples of images, a bag or a folder of them.
        unpacked: where frames with ground truth of a bag go first, for a bag can only be read
            from its start; those that are there already are used. None: bags are refused.

    Raises:
        RecordingError: there is nothing of the kind, or a bag without ground truth.
    """
    bags = [path] if is_bag(path) else sorted(filter(is_bag, path.glob("*/")))
    if bags and unpacked is None:
        raise RecordingError(f"{path}: a bag, of which frames cannot be read in any order")
    if bags and unpacked is not None:
        folders = [folder for bag in bags for folder in _unpack(bag, unpacked)]
        return [partial(read_frame, folder) for folder in folders]
    triples = find_triples(path)
    if triples:
        return list(triples)
    return [partial(read_frame, folder) for folder in find_frames(path)[0]]


def _unpack(bag: Path, unpacked: Path) -> list[Path]:
    """Frame folders of those frames of a bag that have ground truth, in its order."""
    target = unpacked / f"{bag.name}_{zlib.crc32(str(bag.resolve()).encode()):08x}"
    if not target.is_dir():
        with complete_or_absent(target) as unfinished:
            for number, frame in enumerate(read_bag(bag)):
                if frame.ground_truth_mm is not None:
                    write_frame(unfinished / f"{number:08d}_{frame.stamp_ns}", frame)
            if not unfinished.is_dir():
                raise RecordingError(f"{bag}: no frame has ground truth, on a topic {GROUND_TRUTH}")
    return sorted(target.iterdir())
