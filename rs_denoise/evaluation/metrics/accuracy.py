"""Errors of depth against ground truth, including those that are dangerous for a robot.

Metrics are of one frame; the caller averages them. `blocks.Accuracy` defines them.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from rs_denoise.evaluation.metrics.averages import mean, median, percentage
from rs_denoise.evaluation.metrics.blocks import Accuracy
from rs_denoise.evaluation.metrics.gross_errors import find_gross_errors
from rs_denoise.evaluation.metrics.ground_truth import OUTLIER_FRACTION, GroundTruth

# The high-frequency error: errors below the limit minus their mean over a window.
HIGH_FREQUENCY_WINDOW_PX = 33
MAX_HIGH_FREQUENCY_ERROR_PX = 1.0


def measure_accuracy(
    depth_mm: np.ndarray, truth: GroundTruth, disparity_scale_px_mm: float,
    only: np.ndarray | None = None,
) -> Accuracy:  # fmt: skip
    """Compares one depth image with ground truth.

    Args:
        depth_mm: [H, W] uint16 or float, 0 = invalid.
        truth: of the same size.
        disparity_scale_px_mm: fx * baseline.
        only: [H, W] bool; other pixels are ignored.
    """
    wanted = truth.known if only is None else truth.known & only
    valid = wanted & (depth_mm > 0)
    depth = np.where(valid, depth_mm, 1).astype(np.float64)
    error_mm = np.where(valid, depth - truth.depth_mm, 0.0)
    error_px = np.where(valid, disparity_scale_px_mm / depth - truth.disparity_px, 0.0)
    relative = error_mm / np.maximum(truth.depth_mm, 1)
    outlier = np.abs(relative) > OUTLIER_FRACTION
    gross_mm = find_gross_errors(depth_mm, truth, outlier).error_mm
    true, measured = truth.depth_mm[valid], depth[valid]
    ratio = np.maximum(true / measured, measured / true)
    between = (depth > 1.05 * truth.nearest_mm) & (depth < 0.95 * truth.farthest_mm)
    at_edge = valid & truth.edge
    thin = truth.thin & wanted
    return Accuracy(
        fill_pct=percentage(valid, truth.known),
        mae_mm=mean(np.abs(error_mm[valid])),
        rmse_mm=math.sqrt(mean(error_mm[valid] ** 2)),
        rel_pct=100 * mean(np.abs(relative[valid])),
        med_rel_pct=100 * median(np.abs(relative[valid])),
        # The limits used in papers on learned depth (DREDS, TransCG, CDM).
        delta_105_pct=percentage(ratio < 1.05, ratio),
        delta_110_pct=percentage(ratio < 1.10, ratio),
        delta_125_pct=percentage(ratio < 1.25, ratio),
        bad5_pct=percentage(outlier & valid, valid),
        false_free_pct=percentage((relative > OUTLIER_FRACTION) & valid, valid),
        false_obstacle_pct=percentage((relative < -OUTLIER_FRACTION) & valid, valid),
        gross_pct=percentage(gross_mm, valid),
        gross_near_pct=percentage(gross_mm < 0, valid),
        gross_far_pct=percentage(gross_mm > 0, valid),
        flying_pct=percentage(at_edge & between & outlier, at_edge),
        high_frequency_error_px=_high_frequency_error(error_px, valid & truth.interior),
        interior_mae_px=mean(np.abs(error_px[valid & truth.interior])),
        edge_band_mae_px=mean(np.abs(error_px[valid & truth.edge_band])),
        disparity_mae_px=mean(np.abs(error_px[valid])),
        disparity_median_px=median(np.abs(error_px[valid])),
        thin_recall_pct=percentage(thin & valid & ~outlier, thin),
    )


def _high_frequency_error(error_px: np.ndarray, where: np.ndarray) -> float:
    """Leaves out errors of 1 px or more, which `gross_pct` and others count.

    A method that pulls such a pixel to within 1 px of the truth is measured on it; the camera is
    not.
    """
    usable = (where & (np.abs(error_px) < MAX_HIGH_FREQUENCY_ERROR_PX)).astype(np.float64)
    window = (HIGH_FREQUENCY_WINDOW_PX, HIGH_FREQUENCY_WINDOW_PX)
    slow = cv2.blur(error_px * usable, window) / np.maximum(cv2.blur(usable, window), 1e-9)
    return math.sqrt(mean(((error_px - slow) ** 2)[usable > 0]))
