"""How the error grows with distance: where a robot may rely on depth, and where no more."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rs_denoise.evaluation.metrics.ground_truth import MAX_SCORED_MM, OUTLIER_FRACTION

# A quarter of a metre: about the cells of a map, and thousands of pixels each in a frame.
STEP_MM = 250
EDGES_MM = tuple(range(0, MAX_SCORED_MM + 1, STEP_MM))


@dataclass
class ErrorByDistance:
    """Errors by true distance, of any number of frames and methods, in constant memory.

    All pixels of a distance weigh alike, whatever frame they are from; a frame with many pixels
    there counts more, unlike in the means over frames of `metrics.mean_over_frames`.
    """

    _methods: dict[str, _Sums] = field(default_factory=dict)

    def add(self, method: str, depth_mm: np.ndarray, truth_mm: np.ndarray) -> None:
        """Takes one frame.

        Args:
            method: whose depth it is.
            depth_mm: [H, W] uint16 or float, 0 = invalid; leave out what shall not count.
            truth_mm: [H, W] uint16, 0 = unknown; only what is nearer than 6 m counts.
        """
        counts = (depth_mm > 0) & (truth_mm > 0) & (truth_mm < MAX_SCORED_MM)
        truth = truth_mm[counts].astype(np.float64)
        error = np.abs(depth_mm[counts] - truth)
        bins = (truth // STEP_MM).astype(np.intp)
        self._methods.setdefault(method, _Sums()).add(bins, error, error / truth > OUTLIER_FRACTION)

    def summary(self) -> dict:
        """What was taken, ready for JSON.

        Returns:
            edges_mm: of the bins, one more than there are; the lower edge belongs to its bin.
            methods: name -> pixels, mae_mm, bad5_pct, each a list over bins; None of no pixels.
        """
        return {
            "edges_mm": list(EDGES_MM),
            "methods": {name: sums.summary() for name, sums in self._methods.items()},
        }


def _zeros() -> np.ndarray:
    return np.zeros(len(EDGES_MM) - 1)


@dataclass
class _Sums:
    """Over the pixels of each bin."""

    pixels: np.ndarray = field(default_factory=_zeros)
    error_mm: np.ndarray = field(default_factory=_zeros)
    bad: np.ndarray = field(default_factory=_zeros)

    def add(self, bins: np.ndarray, error_mm: np.ndarray, bad: np.ndarray) -> None:
        self.pixels += np.bincount(bins, minlength=len(self.pixels))
        self.error_mm += np.bincount(bins, error_mm, len(self.pixels))
        self.bad += np.bincount(bins, bad, len(self.pixels))

    def summary(self) -> dict:
        return {
            "pixels": [int(count) for count in self.pixels],
            "mae_mm": self._means(self.error_mm),
            "bad5_pct": self._means(100 * self.bad),
        }

    def _means(self, sums: np.ndarray) -> list[float | None]:
        pairs = zip(sums, self.pixels, strict=True)
        return [round(float(total / count), 4) if count else None for total, count in pairs]
