"""Errors that no nearby surface explains."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rs_denoise.evaluation.metrics.ground_truth import OUTLIER_FRACTION, GroundTruth

# An edge that is displaced by this many pixels is not a gross error.
REACH_PX = 2


class GrossErrors(NamedTuple):
    """The gross errors of a frame.

    Attributes:
        rows, columns: [N] int, their pixels.
        error_mm: [N] float32, the signed distance to the ground truth nearest in value: negative
            where depth is too near, positive where it is too far.
    """

    rows: np.ndarray
    columns: np.ndarray
    error_mm: np.ndarray


def find_gross_errors(depth_mm: np.ndarray, truth: GroundTruth, outlier: np.ndarray) -> GrossErrors:
    """Finds the pixels that are more than 5 % off from every ground truth within 2 px.

    A depth edge that is displaced by 1 or 2 px, or a scan that is misregistered by as much, does
    not count.

    Args:
        depth_mm: [H, W].
        truth: of the same size.
        outlier: [H, W] bool, pixels more than 5 % off from their own ground truth. No other pixel
            can be a gross error, so only these few are compared with their neighbourhood.
    """
    rows, columns = np.nonzero(outlier)
    # Padding by the reach makes 0 the first row and column of a pixel's window.
    down, right = np.mgrid[: 2 * REACH_PX + 1, : 2 * REACH_PX + 1].reshape(2, -1)
    padded = np.pad(truth.unlimited_mm, REACH_PX)
    nearby_mm = padded[rows[:, None] + down, columns[:, None] + right]
    error_mm = depth_mm[rows, columns].astype(np.float32)[:, None] - nearby_mm
    distance_mm = np.abs(error_mm)
    # Unknown ground truth is 0, which is not close to any depth.
    gross = np.all(distance_mm > np.float32(OUTLIER_FRACTION) * nearby_mm, axis=1)
    distance_mm[nearby_mm == 0] = np.inf
    nearest = distance_mm[gross].argmin(axis=1)
    error_mm = error_mm[gross][np.arange(len(nearest)), nearest]
    return GrossErrors(rows[gross], columns[gross], error_mm)
