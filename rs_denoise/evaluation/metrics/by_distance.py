"""Errors by distance, which show up to where a robot can rely on depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rs_denoise.evaluation.metrics.ground_truth import MAX_SCORED_MM, OUTLIER_FRACTION
from rs_denoise.evaluation.metrics.metric import DIGITS

# Fine enough for a map, and wide enough for thousands of pixels per bin and frame.
STEP_MM = 250
EDGES_MM = tuple(range(0, MAX_SCORED_MM + 1, STEP_MM))


@dataclass(frozen=True)
class DistanceBins:
    """Errors of one method, one entry per bin; None if a bin has no pixels.

    Attributes:
        pixels: how many there are.
        mae_mm, bad5_pct: as in `blocks.Accuracy`.
    """

    pixels: list[int]
    mae_mm: list[float | None]
    bad5_pct: list[float | None]


@dataclass(frozen=True)
class DistanceErrors:
    """Errors over true distance.

    Attributes:
        edges_mm: of the bins, one more than there are; the lower edge belongs to its bin.
        methods: by name.
    """

    edges_mm: list[int]
    methods: dict[str, DistanceBins]


class ErrorByDistance:
    """Sums up errors by true distance, of any number of frames and methods, in constant memory.

    All pixels at a distance have the same weight, whatever frame they are from. (In means over
    frames, all frames have the same weight, however many pixels they have.)
    """

    def __init__(self) -> None:
        self._sums: dict[str, DistanceSums] = {}

    def add(self, method: str, sums: DistanceSums) -> None:
        """Adds a method's sums of one frame."""
        earlier = self._sums.get(method)
        self._sums[method] = sums if earlier is None else earlier + sums

    def results(self) -> DistanceErrors:
        """The errors of all frames so far."""
        bins = {name: sums.averaged() for name, sums in self._sums.items()}
        return DistanceErrors(list(EDGES_MM), bins)


@dataclass(frozen=True)
class DistanceSums:
    """Sums over the pixels of each bin, [bins] float64.

    Attributes:
        pixels: how many there are.
        error_mm: of the absolute errors.
        bad: how many are more than 5 % off.
    """

    pixels: np.ndarray
    error_mm: np.ndarray
    bad: np.ndarray

    def __add__(self, other: DistanceSums) -> DistanceSums:
        return DistanceSums(
            self.pixels + other.pixels, self.error_mm + other.error_mm, self.bad + other.bad
        )

    def averaged(self) -> DistanceBins:
        """The means of each bin."""
        pixels = [int(count) for count in self.pixels]
        return DistanceBins(pixels, self._means(self.error_mm), self._means(100 * self.bad))

    def _means(self, sums: np.ndarray) -> list[float | None]:
        pairs = zip(sums, self.pixels, strict=True)
        return [round(float(total / count), DIGITS) if count else None for total, count in pairs]


def sum_by_distance(depth_mm: np.ndarray, truth_mm: np.ndarray) -> DistanceSums:
    """Sums up the errors of one frame.

    Args:
        depth_mm: [H, W] uint16 or float, 0 = invalid.
        truth_mm: [H, W] of the same kinds, 0 = unknown; only what is nearer than 6 m counts.
    """
    counts = (depth_mm > 0) & (truth_mm > 0) & (truth_mm < MAX_SCORED_MM)
    truth = truth_mm[counts].astype(np.float64)
    error = np.abs(depth_mm[counts] - truth)
    bins, count = (truth // STEP_MM).astype(np.intp), len(EDGES_MM) - 1
    bad = error / truth > OUTLIER_FRACTION
    return DistanceSums(
        np.bincount(bins, minlength=count).astype(np.float64),
        np.bincount(bins, error, count),
        np.bincount(bins, bad, count),
    )
