"""How far depth is from the truth, and how far that is from safe.

All figures are of one frame; means over frames are the caller's. Only ground truth that is known
and nearer than `MAX_SCORED_MM` counts. The neighbourhood operations ignore unknown ground truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

# Ground truth from here on is not scored.
MAX_SCORED_MM = 6000
BAD_SHARE = 0.05
EDGE_SHARE = 0.05
RIM_SHARE = 0.03
EDGE_REACH_PX = 11
RIM_REACH_PX = 15
THIN_PX = 9
RIPPLE_WINDOW_PX = 33
RIPPLE_LIMIT_PX = 1.0
# Where papers on learned depth draw the line (DREDS, TransCG, CDM).
DELTAS = {"delta_105_pct": 1.05, "delta_110_pct": 1.10, "delta_125_pct": 1.25}


@dataclass(frozen=True)
class GroundTruth:
    """A frame's ground truth with the zones that the metrics look at; all arrays are [H, W].

    Attributes:
        depth_mm: float32, 0 = not counted.
        disparity_px: float32, 0 = not counted.
        edge: within 5 px of a depth step of more than 5 %.
        rim, interior: within 7 px of a step of more than 3 %, and the rest.
        thin: foreground narrower than 9 px.
        nearest_mm, farthest_mm: least and greatest depth within 5 px.
    """

    depth_mm: np.ndarray
    disparity_px: np.ndarray
    edge: np.ndarray
    rim: np.ndarray
    interior: np.ndarray
    thin: np.ndarray
    nearest_mm: np.ndarray
    farthest_mm: np.ndarray

    @classmethod
    def of(cls, ground_truth_mm: np.ndarray, disparity_scale_px_mm: float) -> GroundTruth:
        """The zones of a ground truth image.

        Args:
            ground_truth_mm: [H, W] uint16, 0 = unknown.
            disparity_scale_px_mm: fx * baseline.
        """
        known = (ground_truth_mm > 0) & (ground_truth_mm < MAX_SCORED_MM)
        depth = np.where(known, ground_truth_mm, 0).astype(np.float32)
        disparity = np.where(known, disparity_scale_px_mm / np.maximum(depth, 1), 0)
        rim = known & near_step(depth, known, RIM_SHARE, RIM_REACH_PX)
        return cls(
            depth_mm=depth,
            disparity_px=disparity.astype(np.float32),
            edge=known & near_step(depth, known, EDGE_SHARE, EDGE_REACH_PX),
            rim=rim,
            interior=known & ~rim,
            thin=_thin(disparity, known),
            nearest_mm=_least(depth, known, EDGE_REACH_PX),
            farthest_mm=_greatest(depth, known, EDGE_REACH_PX),
        )

    @property
    def known(self) -> np.ndarray:
        """Where ground truth counts."""
        return self.depth_mm > 0


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
    bad = np.abs(relative) > BAD_SHARE
    known, found = truth.depth_mm[published], depth[published]
    ratio = np.maximum(known / found, found / known)
    between = (depth > 1.05 * truth.nearest_mm) & (depth < 0.95 * truth.farthest_mm)
    near_edge = published & truth.edge
    thin = truth.thin & wanted
    return {
        "fill_pct": _percent(published, truth.known),
        "mae_mm": mean(np.abs(error_mm[published])),
        "rmse_mm": math.sqrt(mean(error_mm[published] ** 2)),
        "rel_pct": 100 * mean(np.abs(relative[published])),
        "med_rel_pct": 100 * median(np.abs(relative[published])),
        **{name: _percent(ratio < most, ratio) for name, most in DELTAS.items()},
        "bad5_pct": _percent(bad & published, published),
        "false_free_pct": _percent((relative > BAD_SHARE) & published, published),
        "phantom_pct": _percent((relative < -BAD_SHARE) & published, published),
        "flying_pct": _percent(near_edge & between & bad, near_edge),
        "ripple_px": _ripple(error_px, published & truth.interior),
        "interior_mae_px": mean(np.abs(error_px[published & truth.interior])),
        "rim_mae_px": mean(np.abs(error_px[published & truth.rim])),
        "disparity_mae_px": mean(np.abs(error_px[published])),
        "thin_recall_pct": _percent(thin & published & ~bad, thin),
    }


def mean_over_frames(scores: list[dict[str, float]]) -> dict[str, float]:
    """Each figure's mean over the frames that have it; NaN where none has."""
    if not scores:
        return {}
    return {key: mean(np.array([s[key] for s in scores if s[key] == s[key]])) for key in scores[0]}


def _ripple(error_px: np.ndarray, where: np.ndarray) -> float:
    usable = (where & (np.abs(error_px) < RIPPLE_LIMIT_PX)).astype(np.float64)
    window = (RIPPLE_WINDOW_PX, RIPPLE_WINDOW_PX)
    slow = cv2.blur(error_px * usable, window) / np.maximum(cv2.blur(usable, window), 1e-9)
    return math.sqrt(mean(((error_px - slow) ** 2)[usable > 0]))


def _thin(disparity_px: np.ndarray, known: np.ndarray) -> np.ndarray:
    kernel = np.ones((THIN_PX, THIN_PX), np.uint8)
    opened = cv2.dilate(_least(disparity_px, known, THIN_PX), kernel)
    return known & (disparity_px - opened > EDGE_SHARE * disparity_px)


def near_step(depth: np.ndarray, known: np.ndarray, share: float, window: int) -> np.ndarray:
    """Where a step of more than `share` of the depth is within a window of so many px.

    Args:
        depth, known: [H, W]; neighbours that are not known make no step.
    """
    step = _greatest(depth, known, 3) - _least(depth, known, 3)
    return _dilated(known & (step > share * depth), window)


def _least(values: np.ndarray, known: np.ndarray, size: int) -> np.ndarray:
    huge = np.where(known, values, np.float32(1e9)).astype(np.float32)
    least = cv2.erode(huge, np.ones((size, size), np.uint8))
    return np.where(least < 1e9, least, 0).astype(np.float32)


def _greatest(values: np.ndarray, known: np.ndarray, size: int) -> np.ndarray:
    return cv2.dilate(
        np.where(known, values, 0).astype(np.float32), np.ones((size, size), np.uint8)
    )


def _dilated(mask: np.ndarray, size: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0


def _percent(part: np.ndarray, whole: np.ndarray) -> float:
    total = np.count_nonzero(whole)
    return 100.0 * np.count_nonzero(part) / total if total else math.nan


def mean(values: np.ndarray) -> float:
    """The mean, NaN of nothing."""
    return float(np.mean(values)) if values.size else math.nan


def median(values: np.ndarray) -> float:
    """The median, NaN of nothing."""
    return float(np.median(values)) if values.size else math.nan
