"""Recordings of any kind, told apart by what they hold and read as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rs_denoise.camera import CameraError
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.image_folder import find_frames, read_frame
from rs_denoise.recordings.rosbag2 import read_bag
from rs_denoise.recordings.triples import find_triples

Reader = Callable[[], Frame]


@dataclass
class Recording:
    """Frames one at a time, in constant memory; can be read more than once.

    Attributes:
        count: of its frames; None where only reading it all would tell.
        skipped: what could not be read, with the reason; grows while it is read.
    """

    read: Callable[[], Iterator[Frame]]
    count: int | None
    skipped: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Frame]:
        return self.read()


def open_recording(path: Path) -> Recording:
    """What `path` holds: a rosbag2, frame folders, or the layout of 2020.

    Raises:
        RecordingError: nothing of the kind is there.
    """
    if is_bag(path):
        recording = Recording(lambda: _frames_of_bag(path, recording.skipped), None)
        return recording
    triples = find_triples(path)
    if triples:
        return _of_readers({triple.name: triple for triple in triples}, {})
    folders, skipped = find_frames(path)
    readers: dict[str, Reader] = {f.name: partial(read_frame, f) for f in folders}
    return _of_readers(readers, {p.name: reason for p, reason in skipped.items()})


def is_bag(path: Path) -> bool:
    """Whether it is a rosbag2."""
    return (path / "metadata.yaml").is_file()


def _of_readers(readers: dict[str, Reader], skipped: dict[str, str]) -> Recording:
    recording = Recording(
        lambda: _readable(readers.items(), recording.skipped), len(readers), skipped
    )
    return recording


def _readable(readers: Iterable[tuple[str, Reader]], skipped: dict[str, str]) -> Iterator[Frame]:
    """The frames that can be read; the others are named."""
    for name, reader in readers:
        try:
            yield reader()
        except (RecordingError, CameraError) as error:
            skipped[name] = str(error)


def _frames_of_bag(path: Path, skipped: dict[str, str]) -> Iterator[Frame]:
    """What can be read of a bag, up to where it cannot."""
    count = 0
    frames = read_bag(path)
    while True:
        try:
            frame = next(frames, None)
        except RecordingError as error:
            if not count:
                raise
            skipped[f"what follows frame {count}"] = str(error)
            return
        if frame is None:
            return
        count += 1
        yield frame
