"""Whether confidence predicts errors: as a ranking (AUSE) and as a probability (calibration).

It also selects the pixels over which methods are compared at equal fill.
"""

from __future__ import annotations

import numpy as np

from rs_denoise.evaluation.metrics.blocks import ConfidenceQuality

# Fractions of the pixels, the most confident first, over which errors are averaged.
COVERAGES = np.linspace(0.05, 1.0, 20)
BINS = 10


def measure_confidence(
    error_mm: np.ndarray, right: np.ndarray, confidence: np.ndarray
) -> ConfidenceQuality:
    """Measures how well `confidence` sorts errors and predicts them.

    AUSE is the area between two curves of RMSE over coverage, sorted by confidence and sorted by
    the error itself, in units of the RMSE of all pixels (Ilg et al. 2018, "Uncertainty estimates
    and multi-hypotheses networks for optical flow"). The calibration error is the ECE of Naeini et
    al. 2015 with 10 bins.

    Args:
        error_mm: [N], signed, of all pixels, before any gate.
        right: [N] bool, whether a pixel is correct; confidence is the probability of this.
        confidence: [N] in 0..1.
    """
    if not error_mm.size:
        return ConfidenceQuality()
    square = error_mm.astype(np.float64) ** 2
    by_confidence = _rmse_over_coverage(square[np.argsort(-confidence, kind="stable")])
    by_error = _rmse_over_coverage(np.sort(square))
    total = by_confidence[-1]
    return ConfidenceQuality(
        rmse_at_100_mm=float(total),
        rmse_at_90_mm=float(by_confidence[np.isclose(COVERAGES, 0.9)][0]),
        ause=float(np.mean(by_confidence - by_error) / total) if total > 0 else 0.0,
        calibration_error=_calibration_error(right, confidence),
    )


def select_most_confident(confidence: np.ndarray, valid: np.ndarray, percent: float) -> np.ndarray:
    """Selects the most confident of the valid pixels.

    Args:
        confidence: [H, W].
        valid: [H, W] bool.
        percent: of the valid pixels to select; of equally confident ones the first.

    Returns:
        [H, W] bool.
    """
    candidates = np.flatnonzero(valid)
    order = np.argsort(-confidence.ravel()[candidates], kind="stable")
    selected = np.zeros(valid.shape, bool)
    selected.ravel()[candidates[order[: round(percent / 100 * len(candidates))]]] = True
    return selected


def _calibration_error(right: np.ndarray, confidence: np.ndarray) -> float:
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    expected = np.bincount(bins, confidence, BINS)
    found = np.bincount(bins, right.astype(np.float64), BINS)
    return float(np.abs(expected - found).sum() / right.size)


def _rmse_over_coverage(square: np.ndarray) -> np.ndarray:
    """RMSE of the first pixels, for each of COVERAGES."""
    counts = np.maximum((COVERAGES * square.size).round().astype(int), 1)
    return np.sqrt(np.cumsum(square)[counts - 1] / counts)
