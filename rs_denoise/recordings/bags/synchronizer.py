"""Which infrared and ground truth belong to which depth image, by their stamps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Depth and infrared of one moment differ by less, as in the node.
SLOP_NS = 5_000_000
# What belongs together arrives together: after a second nothing more will come.
WAIT_NS = 1_000_000_000
# A second at the highest rate of a RealSense (90 Hz). Where stamps stand still, this bounds memory.
MOST_WAITING = 100

Stamped = tuple[int, np.ndarray]


@dataclass(frozen=True)
class Match:
    """A depth image with what was taken at the same moment; None where there is nothing."""

    stamp_ns: int
    depth: np.ndarray
    infrared: np.ndarray | None
    ground_truth: np.ndarray | None


class Pairing:
    """Takes images as they arrive, gives depth images in that order, each exactly once."""

    def __init__(self) -> None:
        self._depth: list[Stamped] = []
        self._others: dict[str, list[Stamped]] = {"infrared": [], "ground truth": []}
        self._newest_ns: int | None = None

    def add(self, role: str, stamp_ns: int, image: np.ndarray) -> Iterator[Match]:
        """What is complete, now that this came.

        Args:
            role: "depth", "infrared" or "ground truth".
            stamp_ns: of its header.
            image: as it belongs into a frame.
        """
        newest = stamp_ns if self._newest_ns is None else self._newest_ns
        if stamp_ns < newest - WAIT_NS:
            # The clock was set back, or the recording began anew: nothing old gets a partner.
            yield from self.rest()
            newest = stamp_ns
        self._newest_ns = max(newest, stamp_ns)
        waiting = self._depth if role == "depth" else self._others[role]
        waiting.append((stamp_ns, image))
        yield from self._complete(self._newest_ns - WAIT_NS)

    def rest(self) -> Iterator[Match]:
        """All that waits; then nothing does."""
        yield from (self._match(stamp, depth) for stamp, depth in self._depth)
        self._depth.clear()
        for images in self._others.values():
            images.clear()

    def _complete(self, until_ns: int) -> Iterator[Match]:
        while self._depth and (self._depth[0][0] < until_ns or len(self._depth) > MOST_WAITING):
            yield self._match(*self._depth.pop(0))
        for role, images in self._others.items():
            self._others[role] = [i for i in images if i[0] >= until_ns - SLOP_NS][-MOST_WAITING:]

    def _match(self, stamp_ns: int, depth: np.ndarray) -> Match:
        infrared, truth = (_nearest(images, stamp_ns) for images in self._others.values())
        return Match(stamp_ns, depth, infrared, truth)


def _nearest(images: list[Stamped], stamp_ns: int) -> np.ndarray | None:
    nearest = min(images, key=lambda image: abs(image[0] - stamp_ns), default=None)
    return None if nearest is None or abs(nearest[0] - stamp_ns) > SLOP_NS else nearest[1]
