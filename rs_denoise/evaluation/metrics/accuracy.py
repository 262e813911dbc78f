"""How far depth is from the truth, and how far that is from safe.

Metrics are of one frame; the caller averages them. Only ground truth that is known and nearer than
6 m counts.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from rs_denoise.evaluation.metrics.averages import mean, median, percentage
from rs_denoise.evaluation.metrics.ground_truth import OUTLIER_FRACTION, GroundTruth

HIGH_FREQUENCY_WINDOW_PX = 33
MAX_HIGH_FREQUENCY_ERROR_PX = 1.0
# Where papers on learned depth draw the line (DREDS, TransCG, CDM).
DELTAS = {"delta_105_pct": 1.05, "delta_110_pct": 1.10, "delta_125_pct": 1.25}


def score(
    depth_mm: np.ndarray, truth: GroundTruth, disparity_scale_px_mm: float,
    only: np.ndarray | None = None,
) -> dict[str, float]:  # fmt: skip
    """The figures of one depth image, NaN where nothing is there to measure.

    Args:
        depth_mm: [H, W] uint16 or float, 0 = invalid.
        truth: of the same size.
        disparity_scale_px_mm: fx * baseline.
        only: [H, W] bool; pixels outside are left out altogether.

    Returns:
        fill_pct (published / known), mae_mm, rmse_mm, rel_pct and med_rel_pct (mean and median of
        |error| / truth), delta_105_pct, delta_110_pct, delta_125_pct (share of the published with
        max(truth / depth, depth / truth) below 1.05 ...), bad5_pct (more than 5 % off),
        false_free_pct (more than 5 % too far), phantom_pct (too near), flying_pct (between the two
        sides of an edge, far from both), ripple_px (RMS of the fast part of the disparity error),
        interior_mae_px, rim_mae_px, disparity_mae_px, thin_recall_pct (of narrow foreground, what
        is published within 5 %).
    """
    wanted = truth.known if only is None else truth.known & only
    published = wanted & (depth_mm > 0)
    depth = np.where(published, depth_mm, 1).astype(np.float64)
    error_mm = np.where(published, depth - truth.depth_mm, 0.0)
    error_px = np.where(published, disparity_scale_px_mm / depth - truth.disparity_px, 0.0)
    relative = error_mm / np.maximum(truth.depth_mm, 1)
    bad = np.abs(relative) > OUTLIER_FRACTION
    known, found = truth.depth_mm[published], depth[published]
    ratio = np.maximum(known / found, found / known)
    between = (depth > 1.05 * truth.nearest_mm) & (depth < 0.95 * truth.farthest_mm)
    near_edge = published & truth.edge
    thin = truth.thin & wanted
    return {
        "fill_pct": percentage(published, truth.known),
        "mae_mm": mean(np.abs(error_mm[published])),
        "rmse_mm": math.sqrt(mean(error_mm[published] ** 2)),
        "rel_pct": 100 * mean(np.abs(relative[published])),
        "med_rel_pct": 100 * median(np.abs(relative[published])),
        **{name: percentage(ratio < most, ratio) for name, most in DELTAS.items()},
        "bad5_pct": percentage(bad & published, published),
        "false_free_pct": percentage((relative > OUTLIER_FRACTION) & published, published),
        "phantom_pct": percentage((relative < -OUTLIER_FRACTION) & published, published),
        "flying_pct": percentage(near_edge & between & bad, near_edge),
        "ripple_px": _high_frequency_error(error_px, published & truth.interior),
        "interior_mae_px": mean(np.abs(error_px[published & truth.interior])),
        "rim_mae_px": mean(np.abs(error_px[published & truth.rim])),
        "disparity_mae_px": mean(np.abs(error_px[published])),
        "thin_recall_pct": percentage(thin & published & ~bad, thin),
    }


def _high_frequency_error(error_px: np.ndarray, where: np.ndarray) -> float:
    usable = (where & (np.abs(error_px) < MAX_HIGH_FREQUENCY_ERROR_PX)).astype(np.float64)
    window = (HIGH_FREQUENCY_WINDOW_PX, HIGH_FREQUENCY_WINDOW_PX)
    slow = cv2.blur(error_px * usable, window) / np.maximum(cv2.blur(usable, window), 1e-9)
    return math.sqrt(mean(((error_px - slow) ** 2)[usable > 0]))
