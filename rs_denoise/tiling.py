"""Tiles without seams.

A tile is computed with a margin as wide as the network can see, and only its core is kept: every
kept pixel saw exactly what it would have seen in the whole frame, so cores are put side by side
and nothing is blended. Offsets are multiples of the network's stride, so that every tile lies on
the grid on which the network pools. A frame that fits is one tile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


class TilingError(ValueError):
    """A tile size that leaves no core between its margins."""


@dataclass(frozen=True)
class Tile:
    """A window of the frame with the part of it that is kept, all in px of the padded frame.

    Attributes:
        rows, columns: the window that the network sees.
        core_rows, core_columns: the part of the frame that it decides; cores partition the frame.
    """

    rows: slice
    columns: slice
    core_rows: slice
    core_columns: slice

    @property
    def kept(self) -> tuple[slice, slice]:
        """The core, relative to the window."""
        top, left = self.rows.start, self.columns.start
        return (
            slice(self.core_rows.start - top, self.core_rows.stop - top),
            slice(self.core_columns.start - left, self.core_columns.stop - left),
        )


@dataclass(frozen=True)
class Tiling:
    """How frames are cut for one network.

    Args:
        tile_px: greatest side of a window; rounded down to the stride.
        margin_px: how far the network sees; rounded up to the stride.
        stride_px: the network's stride.

    Raises:
        TilingError: the margins leave no room for a core.
    """

    tile_px: int
    margin_px: int
    stride_px: int

    def __post_init__(self) -> None:
        if self._side - 2 * self._margin < self.stride_px:
            least = 2 * self._margin + self.stride_px
            raise TilingError(
                f"tile size must be at least {least} px for this network "
                f"(it looks {self.margin_px} px far), got {self.tile_px}"
            )

    def padded(self, size_px: int) -> int:
        """The least multiple of the stride that holds `size_px`."""
        return -(-size_px // self.stride_px) * self.stride_px

    def tiles(self, height: int, width: int) -> Iterator[Tile]:
        """Windows over a frame of height x width, which must be multiples of the stride."""
        for core_rows, rows in self._cut(height):
            for core_columns, columns in self._cut(width):
                yield Tile(rows, columns, core_rows, core_columns)

    def _cut(self, length: int) -> Iterator[tuple[slice, slice]]:
        """Cores along one axis, each with its window."""
        if length % self.stride_px:
            raise TilingError(f"length must be a multiple of {self.stride_px}, got {length}")
        if length <= self._side:
            yield slice(0, length), slice(0, length)
            return
        step = self._side - 2 * self._margin
        for start in range(0, length, step):
            stop = min(start + step, length)
            window = slice(max(0, start - self._margin), min(length, stop + self._margin))
            yield slice(start, stop), window

    @property
    def _side(self) -> int:
        return self.tile_px // self.stride_px * self.stride_px

    @property
    def _margin(self) -> int:
        return self.padded(self.margin_px)
