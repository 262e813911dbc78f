"""Fluctuation of depth while nothing moves: temporal noise and flicker."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.evaluation.metrics.averages import mean, median
from rs_denoise.evaluation.metrics.blocks import TemporalNoise
from rs_denoise.offline import RAW
from rs_denoise.recordings.frame import Frame

# Intel uses 40 frames. With fewer than ten, a standard deviation is unreliable.
WINDOW, MIN_FRAMES = 40, 10
# Every second pixel of every second row is kept: a window of 848x480 takes 8 MB per method.
STRIDE = 2
# Something moves at a pixel whose smoothed infrared changes by more than this: grey levels, and a
# fraction of what it was.
SMOOTHING_PX = 5
MAX_STILL_GREY, MAX_STILL_FRACTION = 4.0, 0.1
# Something moves in a cell whose median of raw depth changes by more than this fraction, if at
# least half of the cell is valid.
CELL_PX, MAX_STILL_DEPTH_CHANGE, MIN_CELL_FILL = 16, 0.05, 0.5
# The pixels that change do not fully cover a moving object, so they are dilated.
MOVING_REACH_PX = 17
# The image has 8 x 8 parts; a part moves if this fraction of its pixels does. A person affects a
# few parts, a moving camera many. Too many end the still stretch, because motion would count as
# noise.
PARTS, MIN_MOVING_FRACTION, MAX_MOVING_PARTS = 8, 0.05, 16


@dataclass(frozen=True)
class _MotionFeatures:
    """The basis for detecting motion: [H, W] smoothed infrared, and raw depth of cells."""

    camera: Camera
    infrared: np.ndarray | None
    cells_mm: np.ndarray


@dataclass
class _Window:
    """Frames of a stretch that began with `first`."""

    first: _MotionFeatures
    moving: np.ndarray
    depths: dict[str, list[np.ndarray]] = field(default_factory=dict)
    count: int = 0


class Temporal:
    """Temporal noise and flicker of a recording, read once, in constant memory.

    In a still stretch, the infrared image and the camera's own depth stay as they were at its
    start, except in a few parts of the image; pixels in and around these parts are excluded. All
    methods are measured on the same stretches. Stretches are cut into windows of 40 frames; windows
    of fewer than 10 are left out.
    """

    def __init__(self, methods: Iterable[str]) -> None:
        """Takes the names of the methods; "raw" is always added."""
        self.methods = [RAW, *(name for name in methods if name != RAW)]
        self._window: _Window | None = None
        self._done: list[tuple[int, dict[str, TemporalNoise]]] = []

    def add(self, frame: Frame, depths_mm: dict[str, np.ndarray]) -> None:
        """Takes the next frame, and every method's depth of it ([H, W] uint16, 0 = invalid)."""
        features = _extract_features(frame)
        window = self._window
        moving = None if window is None else _find_motion(window.first, features)
        if window is None or moving is None or window.count == WINDOW:
            self._finish_window()
            window = self._window = _Window(features, np.zeros(frame.depth_mm.shape, bool))
        else:
            window.moving |= moving
        for name in self.methods:
            depth_mm = frame.depth_mm if name == RAW else depths_mm[name]
            # A copy: a view would keep all of the frame.
            window.depths.setdefault(name, []).append(depth_mm[::STRIDE, ::STRIDE].copy())
        window.count += 1

    def results(self) -> dict[str, TemporalNoise]:
        """The metrics of each method and of "raw", so far.

        Temporal noise is Intel's: of the pixels that do not move and are valid in at least half of
        a window's frames, over those frames. Its "same" variants use the pixels for which both
        method and camera have a value, so that dropping noisy pixels gains nothing. All are means
        over windows, weighted by their numbers of frames.
        """
        done = list(self._done)
        if self._window is not None and self._window.count >= MIN_FRAMES:
            done.append((self._window.count, self._measure(self._window)))
        weights = [count for count, _ in done]
        return {
            method: _weighted_mean([found[method] for _, found in done], weights)
            for method in self.methods
        }

    def _finish_window(self) -> None:
        window, self._window = self._window, None
        if window is not None and window.count >= MIN_FRAMES:
            self._done.append((window.count, self._measure(window)))

    def _measure(self, window: _Window) -> dict[str, TemporalNoise]:
        still = ~window.moving[::STRIDE, ::STRIDE]
        # [frames, pixels] of the pixels that do not move.
        depths = {name: np.stack([d[still] for d in window.depths[name]]) for name in self.methods}
        noises = {name: _noise(depth) for name, depth in depths.items()}
        return {
            name: _measure_method(noises[name], noises[RAW], depths[name]) for name in self.methods
        }


def _extract_features(frame: Frame) -> _MotionFeatures:
    infrared = frame.infrared
    if infrared is not None:
        infrared = cv2.blur(infrared.astype(np.float32), (SMOOTHING_PX, SMOOTHING_PX))
    return _MotionFeatures(frame.camera, infrared, _compute_cell_medians(frame.depth_mm))


def _compute_cell_medians(depth_mm: np.ndarray) -> np.ndarray:
    """[rows, columns] medians of cells, NaN where most is invalid; an incomplete cell has none."""
    rows, columns = (size // CELL_PX for size in depth_mm.shape)
    whole = depth_mm[: rows * CELL_PX, : columns * CELL_PX]
    cells = whole.reshape(rows, CELL_PX, columns, CELL_PX).swapaxes(1, 2)
    cells = cells.reshape(rows, columns, CELL_PX * CELL_PX)
    middle = _median(cells.transpose(2, 0, 1))
    return np.where((cells > 0).mean(axis=-1) >= MIN_CELL_FILL, middle, np.nan)


def _find_motion(first: _MotionFeatures, features: _MotionFeatures) -> np.ndarray | None:
    """[H, W] bool, where something moves; None where the camera does, or is another one."""
    if features.camera != first.camera or (features.infrared is None) != (first.infrared is None):
        return None
    shape = features.camera.height, features.camera.width
    with np.errstate(invalid="ignore"):  # NaN, a cell without depth, does not count as changed
        moved = np.abs(features.cells_mm - first.cells_mm) > MAX_STILL_DEPTH_CHANGE * first.cells_mm
    changed = np.zeros(shape, bool)
    cells = moved.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)
    changed[: cells.shape[0], : cells.shape[1]] = cells
    if first.infrared is not None and features.infrared is not None:
        allowed = MAX_STILL_GREY + MAX_STILL_FRACTION * first.infrared
        changed |= np.abs(features.infrared - first.infrared) > allowed
    # Means over the parts: a part counts however small the image is.
    parts = cv2.resize(changed.astype(np.float32), (PARTS, PARTS), interpolation=cv2.INTER_AREA)
    if np.count_nonzero(parts > MIN_MOVING_FRACTION) > MAX_MOVING_PARTS:
        return None
    reach = np.ones((MOVING_REACH_PX, MOVING_REACH_PX), np.uint8)
    return cv2.dilate(changed.astype(np.uint8), reach) > 0


def _noise(depths_mm: np.ndarray) -> np.ndarray:
    """[pixels] standard deviation / median of [frames, pixels], NaN where too few are valid."""
    valid = depths_mm > 0
    count = valid.sum(axis=0)
    counted = np.maximum(count, 2)
    average = depths_mm.sum(axis=0, dtype=np.float64) / counted
    square = np.where(valid, (depths_mm - average) ** 2, 0).sum(axis=0)
    # The sample standard deviation, so that short windows can be compared with long ones.
    deviation = np.sqrt(square / (counted - 1))
    enough = (count >= 2) & (count >= len(depths_mm) / 2)
    return np.where(enough, deviation / np.maximum(_median(depths_mm), 1), np.nan)


def _median(depths_mm: np.ndarray) -> np.ndarray:
    """Median of the valid over the first axis, 0 where there is none."""
    ordered = np.sort(depths_mm, axis=0)
    count = (ordered > 0).sum(axis=0)
    # The invalid come first.
    low = len(ordered) - count + np.maximum(count - 1, 0) // 2
    high = len(ordered) - count + count // 2
    last = len(ordered) - 1
    pair = [np.take_along_axis(ordered, np.minimum(i, last)[None], 0)[0] for i in (low, high)]
    return (pair[0].astype(np.float64) + pair[1]) / 2


def _measure_method(noise: np.ndarray, raw: np.ndarray, depths_mm: np.ndarray) -> TemporalNoise:
    both = np.isfinite(noise) & np.isfinite(raw)
    valid = depths_mm > 0
    return TemporalNoise(
        temporal_noise_pct=100 * median(noise[np.isfinite(noise)]),
        temporal_noise_same_pct=100 * median(noise[both]),
        temporal_noise_same_raw_pct=100 * median(raw[both]),
        flicker_pct=100 * mean(valid[1:] != valid[:-1]),
        still_frames=float(len(depths_mm)),
    )


def _weighted_mean(windows: list[TemporalNoise], weights: list[int]) -> TemporalNoise:
    """Each metric's mean over the windows that have it, and the sum of their frames."""
    values: dict[str, Any] = {}
    for metric in TemporalNoise.metrics():
        pairs = zip(map(metric.of, windows), weights, strict=True)
        known = [(value, weight) for value, weight in pairs if not math.isnan(value)]
        total = sum(weight for _, weight in known)
        summed = sum(value * weight for value, weight in known)
        values[metric.field] = summed / total if total else math.nan
    return TemporalNoise(**values | {"still_frames": float(sum(weights))})
