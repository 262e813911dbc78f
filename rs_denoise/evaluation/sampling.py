"""Selects the frames of a long recording that are measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from rs_denoise.recordings.frame import Frame

# Consecutive frames per run: as many as temporal noise is measured over.
RUN = 40


def sample_frames(frames: Iterable[Frame], count: int | None, max_frames: int) -> Iterator[Frame]:
    """Selects up to `max_frames` frames, in runs of 40 spread evenly over the recording.

    Args:
        frames: all of them, in order.
        count: how many there are; None if unknown: the first ones are then used.
        max_frames: at least 1.
    """
    if count is None or count <= max_frames:
        return islice(frames, max_frames)
    return (frame for index, frame in enumerate(frames) if is_sampled(index, count, max_frames))


def is_sampled(index: int, count: int, max_frames: int) -> bool:
    """Whether frame `index` of `count` > `max_frames` is in the sample."""
    runs = max(max_frames // RUN, 1)
    length = min(RUN, max_frames)
    run = index * runs // count
    return index - -(-run * count // runs) < length
