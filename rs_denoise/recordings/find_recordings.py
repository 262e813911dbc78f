"""Finds the recordings in a list of files and folders, and gives each a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import chain, count
from pathlib import Path

from rs_denoise.recordings.bags.bag import METADATA, bag_files, is_bag
from rs_denoise.recordings.folders.autoencoder_folder import find_autoencoder_frames
from rs_denoise.recordings.folders.raw_images import find_raw_frames
from rs_denoise.recordings.recording import is_split_bag


def find_recordings(paths: Iterable[Path]) -> dict[str, Path]:
    """Finds recordings by name, in the order given; those in a folder by name.

    A folder that is not itself a recording stands for the recordings in it; subfolders are not
    searched. A name is the last part of the path, or as many parts as make it unique. (Whole paths
    that are joined to one name, such as a_b and a/b, get a number.)

    Args:
        paths: recordings and folders of recordings. Missing ones are kept, so that opening them
            reports the reason.
    """
    found = {p.resolve(): p for path in paths for p in _expand(path)}
    parts = {path: path.resolve().parts for path in found.values()}
    lengths = dict.fromkeys(parts, 1)
    while True:
        names = {path: "_".join(parts[path][-lengths[path] :]) for path in parts}
        counts = Counter(names.values())
        repeated = [p for p in parts if counts[names[p]] > 1 and lengths[p] < len(parts[p])]
        if not repeated:
            return _number_equal_names(names)
        for path in repeated:
            lengths[path] += 1


def _number_equal_names(names: dict[Path, str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path, name in names.items():
        numbered = (f"{name}_{number}" for number in count(2))
        found[next(n for n in chain([name], numbered) if n not in found)] = path
    return found


def _expand(path: Path) -> list[Path]:
    """The recordings in a folder of several; otherwise the path itself."""
    if not path.is_dir() or _is_frames(path):
        return [path]
    if (path / METADATA).is_file():
        return [path]
    files = bag_files(path)
    folders = [p for p in sorted(path.iterdir()) if p.is_dir() and (is_bag(p) or _is_frames(p))]
    if files and is_split_bag(files) and not folders:
        return [path]
    return sorted([*files, *folders]) or [path]


def _is_frames(path: Path) -> bool:
    """Whether a folder holds frames in one of the forms of images."""
    if not path.is_dir():
        return False
    frames = (path / "depth.png").exists() or any(path.glob("*/depth.png"))
    return frames or bool(find_autoencoder_frames(path)) or bool(find_raw_frames(path))
