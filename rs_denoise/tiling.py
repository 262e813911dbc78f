"""Tiles without seams.

A tile is computed with a margin as wide as the network's receptive field, and only its core is
kept. Each kept pixel depends on the same pixels as in the whole frame, so cores join seamlessly
without blending. Offsets are multiples of the network's stride, which keeps tiles on its pooling
grid. A frame that fits into a tile is one tile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import EllipsisType


class TilingError(ValueError):
    """A tile size that leaves no core between the margins."""


@dataclass(frozen=True)
class Tile:
    """A window of the frame and the part of it that is kept, in px of the padded frame.

    Attributes:
        rows, columns: the window that the network processes.
        core_rows, core_columns: the part whose result is kept; cores partition the frame.
    """

    rows: slice
    columns: slice
    core_rows: slice
    core_columns: slice

    def window(self, stride: int = 1) -> tuple[EllipsisType, slice, slice]:
        """Indexes the window in an image that has every `stride`-th pixel of the frame."""
        rows, columns = (
            slice(part.start // stride, part.stop // stride) for part in (self.rows, self.columns)
        )
        return ..., rows, columns

    @property
    def kept(self) -> tuple[slice, slice]:
        """The core relative to the window: rows, columns."""
        top, left = self.rows.start, self.columns.start
        return (
            slice(self.core_rows.start - top, self.core_rows.stop - top),
            slice(self.core_columns.start - left, self.core_columns.stop - left),
        )


@dataclass(frozen=True)
class Tiling:
    """Divides frames into tiles for one network.

    Args:
        tile_px: largest side of a window; rounded down to a multiple of the stride.
        margin_px: the network's receptive field to each side; rounded up likewise.
        stride_px: the network's stride.

    Raises:
        TilingError: the margins leave no room for a core.
    """

    tile_px: int
    margin_px: int
    stride_px: int

    def __post_init__(self) -> None:
        if self._side - 2 * self._margin < self.stride_px:
            smallest = 2 * self._margin + self.stride_px
            raise TilingError(
                f"tile size must be at least {smallest} px for this network "
                f"(its receptive field is {self.margin_px} px to each side), got {self.tile_px}"
            )

    def padded(self, size_px: int) -> int:
        """Rounds a size in px up to a multiple of the stride."""
        return -(-size_px // self.stride_px) * self.stride_px

    def tiles(self, height: int, width: int) -> Iterator[Tile]:
        """Yields the tiles of a frame; height and width must be multiples of the stride."""
        for core_rows, rows in self._divide(height):
            for core_columns, columns in self._divide(width):
                yield Tile(rows, columns, core_rows, core_columns)

    def _divide(self, length: int) -> Iterator[tuple[slice, slice]]:
        """Yields the cores along one axis, each with its window."""
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
