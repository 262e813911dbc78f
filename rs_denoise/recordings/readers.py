"""Frames on disk that can be read in any order, whatever wrote them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.image_folder import find_frames, read_frame
from rs_denoise.recordings.triples import find_triples

Reader = Callable[[], Frame]


def find_readers(path: Path) -> list[Reader]:
    """What reads each frame under `path`: frame folders, or the ancestor's triples of images.

    Raises:
        RecordingError: neither is there.
    """
    triples = find_triples(path)
    if triples:
        return list(triples)
    return [partial(read_frame, folder) for folder in find_frames(path)[0]]
