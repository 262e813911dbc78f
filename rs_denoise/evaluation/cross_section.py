"""Depth along a line: a cross-section of walls, edges and thin poles."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Column and row of a pixel.
Pixel = tuple[int, int]
COLUMNS = ("x_px", "y_px", "along_px")


class CrossSectionError(ValueError):
    """A line that is not in the image; the message gives the image's limits."""


@dataclass(frozen=True)
class Profile:
    """Depth of the pixels along a line.

    Attributes:
        x_px, y_px: [N] int64, column and row of the pixel.
        along_px: [N] float64, distance from the start of the line.
        depth_mm: [N] float64, NaN where the pixel is invalid.
    """

    x_px: np.ndarray
    y_px: np.ndarray
    along_px: np.ndarray
    depth_mm: np.ndarray


def sample_line(depth_mm: np.ndarray, start: Pixel, end: Pixel) -> Profile:
    """Samples depth along a line, both ends included.

    For each step of one pixel along the longer side, the nearest pixel is sampled, as in
    Bresenham's algorithm; halves are rounded right and down. Depth is not interpolated, because
    there is no surface between a near and a far one.

    Args:
        depth_mm: [H, W], 0 = invalid.
        start, end: column and row.

    Raises:
        CrossSectionError: an end is not in the image, or both are the same pixel.
    """
    _check(start, end, depth_mm.shape)
    across, down = end[0] - start[0], end[1] - start[1]
    steps = max(abs(across), abs(down))
    step = np.arange(steps + 1)
    x, y = (
        first + (2 * step * way + steps) // (2 * steps)
        for first, way in ((start[0], across), (start[1], down))
    )
    depth = depth_mm[y, x].astype(np.float64)
    return Profile(
        x, y, step * (np.hypot(across, down) / steps), np.where(depth > 0, depth, np.nan)
    )


def write_csv(path: Path, profiles: dict[str, Profile]) -> None:
    """Writes samples of one line, a row each and a column `<name>_mm` for each profile by name.

    Cells of invalid samples are empty; spaces in names become underscores.

    Raises:
        OSError: the file cannot be written.
    """
    line = next(iter(profiles.values()))
    names = [f"{name.replace(' ', '_')}_mm" for name in profiles]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *names])
        depths = np.stack([profile.depth_mm for profile in profiles.values()], axis=1)
        for x, y, distance, row in zip(line.x_px, line.y_px, line.along_px, depths, strict=True):
            cells = ["" if np.isnan(depth) else f"{depth:g}" for depth in row]
            writer.writerow([x, y, f"{distance:.3f}", *cells])


def _check(start: Pixel, end: Pixel, shape: tuple[int, ...]) -> None:
    height, width = shape
    for x, y in (start, end):
        if not (0 <= x < width and 0 <= y < height):
            raise CrossSectionError(
                f"{x},{y} is not in the image of {width}x{height}: "
                f"x goes from 0 to {width - 1}, y from 0 to {height - 1}"
            )
    if start == end:
        raise CrossSectionError(
            f"the line starts and ends at {start[0]},{start[1]}: give two pixels"
        )
