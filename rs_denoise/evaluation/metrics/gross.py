"""Errors that no nearby surface explains."""

from __future__ import annotations

import numpy as np

from rs_denoise.evaluation.metrics.averages import percentage
from rs_denoise.evaluation.metrics.ground_truth import MAX_SCORED_MM, OUTLIER_FRACTION

# An edge that is so many pixels off is no gross error.
REACH_PX = 2


def gross_percentage(depth_mm: np.ndarray, ground_truth_mm: np.ndarray) -> float:
    """Measures how many pixels are more than 5 % off from every ground truth within 2 px.

    A depth edge that stands 1 or 2 px beside the true one, or a scan that is registered so far
    off, does not count.

    Args:
        depth_mm: [H, W], 0 = invalid.
        ground_truth_mm: [H, W], 0 = unknown.

    Returns:
        Percent of the valid pixels with ground truth below 6 m; NaN if there are none.
    """
    height, width = ground_truth_mm.shape
    published = (depth_mm > 0) & (ground_truth_mm > 0) & (ground_truth_mm < MAX_SCORED_MM)
    depth = depth_mm.astype(np.float32)
    padded = np.pad(ground_truth_mm.astype(np.float32), REACH_PX)
    gross = published.copy()
    for row in range(2 * REACH_PX + 1):
        for column in range(2 * REACH_PX + 1):
            truth = padded[row : row + height, column : column + width]
            # Unknown ground truth is 0, which no depth is near to.
            gross &= np.abs(depth - truth) > OUTLIER_FRACTION * truth
    return percentage(gross, published)
