"""Whether the pixels that a network doubts are the wrong ones: risk against coverage."""

from __future__ import annotations

import numpy as np

COVERAGES = np.linspace(0.05, 1.0, 20)


def rank(error_mm: np.ndarray, confidence: np.ndarray) -> dict[str, float]:
    """How well `confidence` sorts errors; all pixels, published or not.

    Args:
        error_mm: [N], signed.
        confidence: [N], higher is surer.

    Returns:
        rmse_at_100_mm: RMS error of all.
        rmse_at_90_mm: RMS error of the most confident nine tenths.
        ause: area between the RMSE over coverage, sorted by confidence, and sorted by the error
            itself, in units of rmse_at_100_mm: 0 is perfect (Ilg et al. 2018, "Uncertainty
            estimates and multi-hypotheses networks for optical flow").
    """
    if not error_mm.size:
        return dict.fromkeys(("rmse_at_100_mm", "rmse_at_90_mm", "ause"), float("nan"))
    square = error_mm.astype(np.float64) ** 2
    by_confidence = _rmse_over_coverage(square[np.argsort(-confidence, kind="stable")])
    by_error = _rmse_over_coverage(np.sort(square))
    total = by_confidence[-1]
    return {
        "rmse_at_100_mm": float(total),
        "rmse_at_90_mm": float(by_confidence[np.isclose(COVERAGES, 0.9)][0]),
        "ause": float(np.mean(by_confidence - by_error) / total) if total > 0 else 0.0,
    }


def _rmse_over_coverage(square: np.ndarray) -> np.ndarray:
    """RMSE of the first share of the pixels, for each of COVERAGES."""
    counts = np.maximum((COVERAGES * square.size).round().astype(int), 1)
    return np.sqrt(np.cumsum(square)[counts - 1] / counts)
