"""Framesets: a depth image with the infrared and ground truth that match its stamp.

The node pairs live messages by other rules (`rs_denoise.pipeline`): it must not wait, and it drops
depth without infrared. Here images wait for up to a second, and every depth image is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Largest difference between the stamps of a frameset, as in the node.
SLOP_NS = 5_000_000
# Matching images are recorded within a second of each other.
WAIT_NS = 1_000_000_000
# A second at the highest rate of a RealSense (90 Hz). Bounds memory if all stamps are equal. Other
# images wait longer than depth, so that none is dropped before its depth is paired.
MAX_DEPTH_WAITING, MAX_WAITING = 100, 200

Stamped = tuple[int, np.ndarray]


@dataclass(frozen=True)
class Frameset:
    """A depth image with the matching images, or None for those that are missing."""

    stamp_ns: int
    depth: np.ndarray
    infrared: np.ndarray | None
    infrared_right: np.ndarray | None
    ground_truth: np.ndarray | None


class FramesetBuilder:
    """Makes a frameset for each depth image, in order of arrival.

    Attributes:
        nearest_ns: the smallest difference between the stamps of depth and of each other role so
            far; missing if none came within a second.
    """

    def __init__(self) -> None:
        self.nearest_ns: dict[str, int] = {}
        self._depth: list[Stamped] = []
        self._others: dict[str, list[Stamped]] = {
            "infrared": [], "right infrared": [], "ground truth": []
        }  # fmt: skip
        self._newest_ns: int | None = None

    def add(self, role: str, stamp_ns: int, image: np.ndarray) -> Iterator[Frameset]:
        """Adds an image; yields the framesets that are complete now.

        Args:
            role: "depth", "infrared", "right infrared" or "ground truth".
            stamp_ns: of its header.
            image: [H, W].
        """
        newest = stamp_ns if self._newest_ns is None else self._newest_ns
        if stamp_ns < newest - WAIT_NS:
            # The clock was set back, or the recording restarted: old images find no partner any
            # more.
            yield from self.flush()
            newest = stamp_ns
        self._newest_ns = max(newest, stamp_ns)
        waiting = self._depth if role == "depth" else self._others[role]
        waiting.append((stamp_ns, image))
        yield from self._pop_complete(self._newest_ns - WAIT_NS)

    def flush(self) -> Iterator[Frameset]:
        """Yields the framesets of all depth images that still wait, and clears everything."""
        while self._depth:
            yield self._build(*self._depth.pop(0))
        for images in self._others.values():
            images.clear()

    def _pop_complete(self, until_ns: int) -> Iterator[Frameset]:
        while self._depth and (
            self._depth[0][0] < until_ns or len(self._depth) > MAX_DEPTH_WAITING
        ):
            yield self._build(*self._depth.pop(0))
        for role, images in self._others.items():
            self._others[role] = [i for i in images if i[0] >= until_ns - SLOP_NS][-MAX_WAITING:]

    def _build(self, stamp_ns: int, depth: np.ndarray) -> Frameset:
        others = (self._pop_nearest(role, stamp_ns) for role in self._others)
        return Frameset(stamp_ns, depth, *others)

    def _pop_nearest(self, role: str, stamp_ns: int) -> np.ndarray | None:
        """Removes and returns the nearest image, unless a later depth image is nearer to it.

        Each image belongs to one depth image, so equal stamps are paired in their order.
        """
        images = self._others[role]
        distances = [abs(stamp - stamp_ns) for stamp, _ in images]
        if not distances:
            return None
        nearest = min(distances)
        self.nearest_ns[role] = min(nearest, self.nearest_ns.get(role, nearest))
        if nearest > SLOP_NS:
            return None
        number = distances.index(nearest)
        if any(abs(images[number][0] - later) < nearest for later, _ in self._depth):
            return None
        return images.pop(number)[1]
