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
        self._newest_ns: dict[str, int] = {}  # by role: clocks may differ

    def add(self, role: str, stamp_ns: int, image: np.ndarray) -> Iterator[Frameset]:
        """Adds an image; yields the framesets that are complete now.

        Args:
            role: "depth", "infrared", "right infrared" or "ground truth".
            stamp_ns: of its header.
            image: [H, W].
        """
        if stamp_ns < self._newest_ns.get(role, stamp_ns) - WAIT_NS:
            # The clock was set back, or the recording restarted: old images find no partner any
            # more.
            yield from self.flush()
            self._newest_ns.clear()
        self._newest_ns[role] = max(stamp_ns, self._newest_ns.get(role, stamp_ns))
        waiting = self._depth if role == "depth" else self._others[role]
        waiting.append((stamp_ns, image))
        yield from self._pop_complete()

    def flush(self) -> Iterator[Frameset]:
        """Yields the framesets of all depth images that still wait, and clears everything."""
        while self._depth:
            yield self._build(*self._depth.pop(0))
        for images in self._others.values():
            images.clear()

    def _pop_complete(self) -> Iterator[Frameset]:
        while self._depth and (
            len(self._depth) > MAX_DEPTH_WAITING or self._is_passed(self._depth[0][0])
        ):
            yield self._build(*self._depth.pop(0))
        for role, images in self._others.items():
            oldest_ns = self._newest_ns.get(role, 0) - WAIT_NS - SLOP_NS
            self._others[role] = [i for i in images if i[0] >= oldest_ns][-MAX_WAITING:]

    def _is_passed(self, stamp_ns: int) -> bool:
        """Whether a stream is more than a second ahead of this depth image.

        A stream without an image near this stamp does not count: it may have another clock, and
        must not keep the others' images from their depth.
        """
        until_ns = stamp_ns + WAIT_NS
        passed = [role for role, newest_ns in self._newest_ns.items() if newest_ns > until_ns]
        return "depth" in passed or any(
            abs(other_ns - stamp_ns) <= WAIT_NS
            for role in passed
            for other_ns, _ in self._others[role]
        )

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
