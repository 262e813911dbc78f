"""The size of a recording, by which another recording of the same path is recognised."""

from __future__ import annotations

from pathlib import Path

from rs_denoise.recordings.bags.bag import bag_files, is_bag


def count_bytes(recording: Path) -> int:
    """Size of all files of a recording, in bytes."""
    files = bag_files(recording) if is_bag(recording) else recording.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
