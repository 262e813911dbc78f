"""Adapts the size of tiles to the device's free memory: smaller when it is full, larger later."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from rs_denoise.tiling import Tiling, TilingError

# Tiles overlap by their margins, so smaller ones are more work. Beyond this factor, an error is
# better for a robot than frames that come too late.
MAX_OVERHEAD = 3.0
# A size is worth trying if its largest window is smaller by at least this factor.
MIN_REDUCTION = 0.9
# After this time, other users of the memory may have ended. It doubles with each failed attempt.
RETRY_AFTER_S, MAX_RETRY_AFTER_S = 60.0, 3600.0


@dataclass(frozen=True, order=True)
class TilingCost:
    """The cost of a tiling for frames of one size; tilings are compared by it.

    Attributes:
        overhead: pixels that are computed, divided by those of the frame; 1 for a single tile.
        tiles: number of tiles.
        window_px: pixels of the largest window, which determine the memory.
    """

    overhead: float
    tiles: int
    window_px: int

    @classmethod
    def of(cls, tiling: Tiling, height: int, width: int) -> TilingCost:
        """Counts the windows of a frame of `height` x `width` px."""
        height, width = tiling.padded(height), tiling.padded(width)
        windows = [
            (tile.rows.stop - tile.rows.start) * (tile.columns.stop - tile.columns.start)
            for tile in tiling.tiles(height, width)
        ]
        return cls(sum(windows) / (height * width), len(windows), max(windows))


def next_smaller_tiling(tiling: Tiling, height: int, width: int) -> Tiling | None:
    """The tiling with the least overhead that needs clearly less memory for frames of this size.

    Returns:
        None if there is none of at most MAX_OVERHEAD.
    """
    most_px = MIN_REDUCTION * TilingCost.of(tiling, height, width).window_px
    candidates = {}
    for tile_px in range(tiling.stride_px, max(height, width), tiling.stride_px):
        try:
            smaller = replace(tiling, tile_px=tile_px)
        except TilingError:  # no core is left between the margins
            continue
        cost = TilingCost.of(smaller, height, width)
        if cost.window_px <= most_px and cost.overhead <= MAX_OVERHEAD:
            candidates[cost] = smaller
    return candidates[min(candidates)] if candidates else None


class TileSize:
    """The current side of tiles, px; thread-safe.

    Args:
        tile_px: the user's setting, which is also the maximum.
    """

    def __init__(self, tile_px: int) -> None:
        self._wanted_px = self._px = tile_px
        self._before_attempt_px: int | None = None
        self._retry_after_s = RETRY_AFTER_S
        self._retry_at_s = 0.0
        self._lock = threading.Lock()

    def take(self) -> int:
        """The side of tiles for the next frame, px; from time to time the user's setting again."""
        with self._lock:
            if self._px < self._wanted_px and time.monotonic() >= self._retry_at_s:
                self._before_attempt_px, self._px = self._px, self._wanted_px
                self._wait_before_retry()
            return self._px

    def recovers(self, tile_px: int) -> bool:
        """Whether to compute a frame that did not fit with `tile_px` again, with `take()`.

        This is so if a larger size was only tried, or if another frame has changed the size since.
        """
        with self._lock:
            if tile_px == self._px and self._before_attempt_px is not None:
                self._px, self._before_attempt_px = self._before_attempt_px, None
                self._retry_after_s = min(2 * self._retry_after_s, MAX_RETRY_AFTER_S)
                self._wait_before_retry()
                return True
            return tile_px > self._px

    def reduce(self, tile_px: int) -> None:
        """Uses `tile_px` from now on."""
        with self._lock:
            self._px = min(self._px, tile_px)
            self._wait_before_retry()

    def _wait_before_retry(self) -> None:
        self._retry_at_s = time.monotonic() + self._retry_after_s
