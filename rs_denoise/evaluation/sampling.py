"""Which frames of a long recording are scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from rs_denoise.recordings.frame import Frame

# Frames that follow one another: as many as temporal noise is measured over.
RUN = 40


def sample_frames(frames: Iterable[Frame], count: int | None, most: int) -> Iterator[Frame]:
    """At most `most` frames, in runs of 40 spread evenly over the recording.

    Args:
        frames: all of them, in order.
        count: how many there are; None where nobody knows: then the first ones are taken.
        most: of them, at least 1.
    """
    if count is None or count <= most:
        return islice(frames, most)
    return (frame for index, frame in enumerate(frames) if is_sampled(index, count, most))


def is_sampled(index: int, count: int, most: int) -> bool:
    """Whether frame `index` of `count` > `most` is one of the sample."""
    runs = max(most // RUN, 1)
    length = min(RUN, most)
    run = index * runs // count
    return index - -(-run * count // runs) < length
