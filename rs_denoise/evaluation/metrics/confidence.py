"""Whether the pixels that a network doubts are the wrong ones, and as often as it says."""

from __future__ import annotations

import numpy as np

COVERAGES = np.linspace(0.05, 1.0, 20)
BINS = 10


def rank(error_mm: np.ndarray, right: np.ndarray, confidence: np.ndarray) -> dict[str, float]:
    """How well `confidence` sorts errors; all pixels, published or not.

    Args:
        error_mm: [N], signed.
        right: [N] bool, within what confidence is the probability of.
        confidence: [N] in 0..1.

    Returns:
        rmse_at_100_mm: RMS error of all.
        rmse_at_90_mm: RMS error of the most confident nine tenths.
        ause: area between the RMSE over coverage, sorted by confidence, and sorted by the error
            itself, in units of rmse_at_100_mm: 0 is perfect (Ilg et al. 2018, "Uncertainty
            estimates and multi-hypotheses networks for optical flow").
        calibration_error: mean over pixels of the difference between what a tenth of the
            confidences say and how often they are right (Naeini et al. 2015, ECE).
    """
    if not error_mm.size:
        names = ("rmse_at_100_mm", "rmse_at_90_mm", "ause", "calibration_error")
        return dict.fromkeys(names, float("nan"))
    square = error_mm.astype(np.float64) ** 2
    by_confidence = _rmse_over_coverage(square[np.argsort(-confidence, kind="stable")])
    by_error = _rmse_over_coverage(np.sort(square))
    total = by_confidence[-1]
    return {
        "rmse_at_100_mm": float(total),
        "rmse_at_90_mm": float(by_confidence[np.isclose(COVERAGES, 0.9)][0]),
        "ause": float(np.mean(by_confidence - by_error) / total) if total > 0 else 0.0,
        "calibration_error": _calibration_error(right, confidence),
    }


def _calibration_error(right: np.ndarray, confidence: np.ndarray) -> float:
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    said = np.bincount(bins, confidence, BINS)
    found = np.bincount(bins, right.astype(np.float64), BINS)
    return float(np.abs(said - found).sum() / right.size)


def _rmse_over_coverage(square: np.ndarray) -> np.ndarray:
    """RMSE of the first share of the pixels, for each of COVERAGES."""
    counts = np.maximum((COVERAGES * square.size).round().astype(int), 1)
    return np.sqrt(np.cumsum(square)[counts - 1] / counts)
