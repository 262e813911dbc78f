"""Mean, median and RMS difference of two depth images, as printed by the Denoise-Autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rs_denoise.evaluation.metrics.averages import mean, median


@dataclass(frozen=True)
class Difference:
    """Difference of depth and ground truth over pixels valid in both; NaN if there are none.

    Attributes:
        mean_mm, median_mm, rms_mm: averages of the absolute difference.
        pixels: how many were compared.
    """

    mean_mm: float
    median_mm: float
    rms_mm: float
    pixels: int

    @classmethod
    def of(cls, depth_mm: np.ndarray, truth_mm: np.ndarray) -> Difference:
        """Compares two [H, W] images, 0 = invalid."""
        both = (depth_mm > 0) & (truth_mm > 0)
        difference = np.abs(depth_mm[both].astype(np.float64) - truth_mm[both])
        return cls(
            mean(difference), median(difference), float(np.sqrt(mean(difference**2))),
            int(both.sum()),
        )  # fmt: skip
