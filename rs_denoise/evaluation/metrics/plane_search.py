"""Finds walls and floors, for recordings whose flat surfaces are not marked.

Planes are searched for in disparity, because a plane in space is one in disparity too (disparity is
linear in x and y), and stereo noise is uniform there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rs_denoise.camera import Camera
from rs_denoise.depth import to_disparity_px
from rs_denoise.evaluation.metrics.planes import Roi

# The search uses the medians of this many cells per side ...
CELLS = 32
# ... and tries rectangles with corners at every second cell. Half a cell is cut off on every side,
# because it may show another surface that the median does not reveal; at least an eighth of the
# image remains in width and height.
MIN_CELLS, STRIDE_CELLS = 5, 2
CELL_FILL = 0.5
# Real planes: RMS of the cells' medians about a plane up to 0.15 px (D415 at 1280x720).
MAX_WAVE_PX = 0.2
# A step or a crease bends a plane by more than this fraction of disparity (a step of 3 % by 1.8 to
# 3 %), within these limits in px. The noise of a real camera bends it by less than the lower one.
MAX_BEND_FRACTION, BEND_LIMITS_PX = 0.01, (0.1, 0.25)
# Maximum distance of inliers from the plane, and the minimum fractions of inliers among all pixels
# and in each cell.
MIN_INLIERS, MIN_CELL_INLIERS, MAX_INLIER_PX = 0.97, 0.8, 0.6


def find_planes(depth_mm: np.ndarray, camera: Camera, count: int = 3) -> list[Roi]:
    """Finds rectangles in which depth is one plane, the largest first.

    They are searched for in the camera's own depth and used for every method. Each is at least an
    eighth of the image wide and high; they do not overlap. Rectangles with a step of 3 % or a
    crease are rejected, unless disparity is so small (below about 6 px) that the noise of a real
    camera hides them.

    Args:
        depth_mm: [H, W], 0 = invalid.
        camera: the camera that took the image.
        count: maximum number of planes.
    """
    height, width = depth_mm.shape
    cell = height // CELLS, width // CELLS
    if min(cell) < 1:
        return []
    scale = camera.disparity_scale_px_mm
    disparity = np.where(depth_mm > 0, to_disparity_px(depth_mm, scale), np.nan)
    medians = _compute_cell_medians(disparity, cell)
    found: list[Roi] = []
    for in_cells, plane in _find_flat_rectangles(medians):
        roi = in_cells.scaled(*cell)
        free = not any(roi.overlaps(other) for other in found)
        if free and _pixels_agree(roi.of(disparity), plane, cell):
            found.append(roi.without_border(cell[0] // 2, cell[1] // 2))
        if len(found) == count:
            break
    return found


def _compute_cell_medians(disparity: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """[CELLS, CELLS] medians, NaN where a cell is mostly holes."""
    rows, columns = cell
    whole = disparity[: CELLS * rows, : CELLS * columns]
    cells = whole.reshape(CELLS, rows, CELLS, columns).swapaxes(1, 2).reshape(CELLS, CELLS, -1)
    # NaN sorts last: the median is in the middle of those before.
    ordered = np.sort(cells, axis=-1)
    valid = np.isfinite(ordered).sum(axis=-1)
    median = np.take_along_axis(ordered, np.maximum(valid - 1, 0)[..., None] // 2, -1)[..., 0]
    return np.where(valid >= CELL_FILL * cells.shape[-1], median, np.nan)


def _find_flat_rectangles(medians: np.ndarray) -> Iterator[tuple[Roi, np.ndarray]]:
    """Rectangles of cells that are flat, counted in cells, with their planes; largest first."""
    sizes = range(MIN_CELLS, CELLS + 1, STRIDE_CELLS)
    shapes = sorted(((h, w) for h in sizes for w in sizes), key=lambda s: (-s[0] * s[1], s))
    for height, width in shapes:
        windows = sliding_window_view(medians, (height, width))[::STRIDE_CELLS, ::STRIDE_CELLS]
        places = np.argwhere(np.isfinite(windows).all(axis=(2, 3)))
        cells = windows[places[:, 0], places[:, 1]]
        planes, flat = _fit_planes(cells)
        for (row, column), plane in zip(STRIDE_CELLS * places[flat], planes[flat], strict=True):
            yield Roi(int(column), int(row), width, height), plane


def _fit_planes(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares planes through [N, h, w] cells, and whether each is flat.

    Returns:
        [N, 3] mean and slopes down and to the right, in px and px a cell about the middle, and
        [N] bool.
    """
    down, right = (_centred_range(size) for size in cells.shape[1:])
    level = cells.mean(axis=(1, 2))
    slope_down = cells.mean(axis=2) @ down / (down @ down)
    slope_right = cells.mean(axis=1) @ right / (right @ right)
    plane = (
        level[:, None, None]
        + slope_down[:, None, None] * down[:, None]
        + slope_right[:, None, None] * right
    )
    waves = cells - plane
    bend = np.maximum(_measure_bend(waves.mean(axis=2)), _measure_bend(waves.mean(axis=1)))
    allowed = np.clip(MAX_BEND_FRACTION * level, *BEND_LIMITS_PX)
    flat = (np.sqrt((waves**2).mean(axis=(1, 2))) <= MAX_WAVE_PX) & (bend <= allowed)
    return np.stack([level, slope_down, slope_right], axis=1), flat


def _centred_range(size: int) -> np.ndarray:
    return np.arange(size) - (size - 1) / 2


def _measure_bend(profiles: np.ndarray) -> np.ndarray:
    """How much the best-fitting step or crease bends each of [N, n] profiles."""
    return np.abs(profiles @ _make_bend_filters(profiles.shape[1]).T).max(axis=1)


@lru_cache
def _make_bend_filters(size: int) -> np.ndarray:
    """Filters [2 (n - 1), n] for the size of a step and of a crease at each border of a profile.

    Each is fitted together with a line, so that a constant slope does not count as a bend.
    """
    x = _centred_range(size)
    borders = x[:-1, None] + 0.5
    shapes = np.vstack([np.sign(x - borders), np.abs(x - borders)])
    line = np.stack([np.full(size, size**-0.5), x / np.sqrt(x @ x)])
    shapes = shapes - shapes @ line.T @ line
    size_of = np.ptp(shapes, axis=1, keepdims=True)
    square = (shapes**2).sum(axis=1, keepdims=True)
    # A crease in the middle of the outermost cells is a line.
    return np.where(square > 1e-9, shapes * size_of / np.maximum(square, 1e-9), 0.0)


def _pixels_agree(disparity: np.ndarray, plane: np.ndarray, cell: tuple[int, int]) -> bool:
    """Whether the pixels too, not only the cells' medians, lie on the plane."""
    down, right = (
        _centred_range(size) / pitch for size, pitch in zip(disparity.shape, cell, strict=True)
    )
    level, slope_down, slope_right = plane
    expected = level + slope_down * down[:, None] + slope_right * right
    near = np.abs(disparity - expected) <= MAX_INLIER_PX
    valid = np.isfinite(disparity)
    return bool(
        near.sum() >= MIN_INLIERS * valid.sum()
        and (_count_per_cell(near, cell) >= MIN_CELL_INLIERS * _count_per_cell(valid, cell)).all()
    )


def _count_per_cell(mask: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """Pixels of each cell that are in the mask."""
    rows, columns = cell
    height, width = mask.shape
    return mask.reshape(height // rows, rows, width // columns, columns).sum(axis=(1, 3))
