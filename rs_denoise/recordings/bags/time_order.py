"""Reads a file in time order if its messages were written topic after topic."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

from rs_denoise.recordings.skipped import Skipped

# Recorders may reorder messages within a second, which is how long framesets wait.
MAX_DISORDER_NS = 1_000_000_000
# One chunk is read from for each topic; a camera has depth, infrared of both sides, camera_info,
# and in recordings of the SDK their metadata.
CHUNKS_IN_MEMORY = 12

Chunk = TypeVar("Chunk")


def are_unordered(times_ns: Iterable[int]) -> bool:
    """Whether chunks that begin at these times are far from the order of time."""
    return any(before - after > MAX_DISORDER_NS for before, after in pairwise(times_ns))


class TimeIndex:
    """Where each message of a file is, in 32 bytes a message.

    Attributes:
        topics: of each channel that has messages in it, by the channel's number.
        skipped: what could not be read while it was made.
    """

    def __init__(self) -> None:
        self.topics: dict[int, str] = {}
        self.skipped = Skipped()
        self._channels, self._times = array("q"), array("q")
        self._chunks, self._places = array("q"), array("q")

    def add(self, channel: int, time_ns: int, chunk: int, place: int) -> None:
        """Adds a message.

        Args:
            channel: a number of `topics`.
            time_ns: its time of arrival.
            chunk: the position of its chunk in the file.
            place: where it is in the chunk.
        """
        self._channels.append(channel)
        self._times.append(time_ns)
        self._chunks.append(chunk)
        self._places.append(place)

    def read(
        self, topics: Collection[str], read_chunk: Callable[[int], Chunk]
    ) -> Iterator[tuple[str, int, Chunk, int]]:
        """Yields topic, time, chunk and place in it of each message, in the order of time.

        Args:
            topics: those to read.
            read_chunk: returns the chunk at a position of the file; the latest ones are cached.
        """
        read_cached = lru_cache(CHUNKS_IN_MEMORY)(read_chunk)
        wanted = [channel for channel, topic in self.topics.items() if topic in topics]
        order = np.argsort(np.asarray(self._times), kind="stable")
        for number in order[np.isin(np.asarray(self._channels)[order], wanted)]:
            topic = self.topics[self._channels[number]]
            chunk = read_cached(self._chunks[number])
            yield topic, self._times[number], chunk, self._places[number]
