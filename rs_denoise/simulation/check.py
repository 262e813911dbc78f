"""Compares the errors of simulated and real depth by the same statistics."""

from __future__ import annotations

import numpy as np

from rs_denoise.depth import to_disparity_px
from rs_denoise.evaluation.metrics.accuracy import measure_accuracy
from rs_denoise.evaluation.metrics.averages import mean, median
from rs_denoise.evaluation.metrics.ground_truth import (
    EDGE_STEP,
    GroundTruth,
    find_near_steps,
)
from rs_denoise.recordings.frame import Frame
from rs_denoise.simulation.image_statistics import image_statistics

# Medians over 24 laser-scanned frames of a D415-like camera at 848x480; interior, rim, gross and
# thin recall: means.
REAL = {
    "sigma_px": 0.170,
    "autocorrelation_1": 0.92,
    "autocorrelation_4": 0.66,
    "autocorrelation_8": 0.45,
    "autocorrelation_16": 0.32,
    "autocorrelation_32": 0.23,
    "holes_smooth_pct": 0.4,
    "holes_edge_pct": 11.8,
    "holes_band_pct": 37.0,
    "bad5_pct": 1.95,
    "interior_px": 0.165,
    "rim_px": 0.587,
    "gross_pct": 0.65,
    "thin_recall_pct": 56.0,
    "cost_3": 0.121,
    "cost_5": 0.068,
    "cost_9": 0.054,
    "local_contrast": 0.077,
    "texture_1": 0.88,
    "texture_2": 0.64,
    "texture_4": 0.22,
    "grey_median": 20.0,
}
# Allowed differences: autocorrelations of errors by this amount, image statistics by this fraction,
# errors by this factor. Other statistics are only shown.
AUTOCORRELATION_TOLERANCE = 0.1
IMAGE_TOLERANCE = 0.25
FACTOR = 1.5
IMAGES = (
    "cost_3", "cost_5", "cost_9", "local_contrast", "texture_1", "texture_2", "texture_4",
    "grey_median",
)  # fmt: skip
ERRORS = (
    "sigma_px", "holes_smooth_pct", "holes_edge_pct", "holes_band_pct", "bad5_pct", "gross_pct",
    "thin_recall_pct",
)  # fmt: skip
LAGS = (1, 4, 8, 16, 32)
# Columns (of 848) at the left and right that the other imager or the projector does not cover.
BANDS_PX = (70, 20)
EDGE_WINDOW_PX = 15


def statistics(frame: Frame) -> dict[str, float]:
    """Statistics of the errors of a frame's depth.

    Args:
        frame: with ground truth; unknown pixels and those beyond 6 m are ignored.

    Returns:
        sigma_px, bias_px (robust spread and median of the disparity error), autocorrelation_L (of
        errors below 1 px, at L px along the rows), holes_smooth_pct, holes_edge_pct (within 7 px
        of a step of more than 5 %), holes_band_pct (at the sides), bad5_pct (of the valid),
        interior_px, rim_px (mean absolute errors), rim_sign_px (mean error at the rim without gross
        ones: positive where the foreground is fattened), gross_pct (more than 5 % off from every
        ground truth within 2 px), thin_recall_pct (of foreground narrower than 9 px, what is
        published within 5 %); with both infrared images those of `image_statistics`, over what is
        no edge and in no side band.

    Raises:
        ValueError: no ground truth.
    """
    if frame.ground_truth_mm is None:
        raise ValueError(f"{frame.name}: statistics need ground truth")
    scale = frame.camera.disparity_scale_px_mm
    truth = GroundTruth.of(frame.ground_truth_mm, scale)
    valid = (frame.depth_mm > 0) & truth.known
    error = np.where(valid, to_disparity_px(frame.depth_mm, scale) - truth.disparity_px, 0.0)
    band = _band(valid.shape)
    edge = find_near_steps(truth.depth_mm, truth.known, EDGE_STEP, EDGE_WINDOW_PX)
    bias = median(error[valid])
    accuracy = measure_accuracy(frame.depth_mm, truth, scale)
    result = {
        "sigma_px": 1.4826 * median(np.abs(error[valid] - bias)),
        "bias_px": bias,
        **_autocorrelation(np.where(valid, error - bias, 0), valid & (np.abs(error) < 1)),
        "holes_smooth_pct": _missing(valid, truth.known & ~edge & ~band),
        "holes_edge_pct": _missing(valid, truth.known & edge & ~band),
        "holes_band_pct": _missing(valid, truth.known & band),
        "bad5_pct": accuracy.bad5_pct,
        "interior_px": accuracy.interior_mae_px,
        "rim_px": accuracy.edge_band_mae_px,
        "gross_pct": accuracy.gross_pct,
        "thin_recall_pct": accuracy.thin_recall_pct,
        "rim_sign_px": mean(error[valid & truth.edge_band & (np.abs(error) < 3)]),
    }
    if frame.infrared is not None and frame.infrared_right is not None:
        seen_twice = truth.known & ~edge & ~band
        result |= image_statistics(
            frame.infrared, frame.infrared_right, truth.disparity_px, seen_twice
        )
    return result


def agrees(name: str, simulated: float) -> bool:
    """Whether a median is close enough to the real one; true for statistics that are only shown."""
    if name.startswith("autocorrelation"):
        return abs(simulated - REAL[name]) <= AUTOCORRELATION_TOLERANCE
    if name in IMAGES:
        return abs(simulated - REAL[name]) <= IMAGE_TOLERANCE * REAL[name]
    if name in ERRORS:
        return REAL[name] / FACTOR <= simulated <= REAL[name] * FACTOR
    return True


def _autocorrelation(error: np.ndarray, usable: np.ndarray) -> dict[str, float]:
    variance = mean(error[usable] ** 2)
    result = {}
    for lag in LAGS:
        both = usable[:, lag:] & usable[:, :-lag]
        product = mean((error[:, lag:] * error[:, :-lag])[both])
        result[f"autocorrelation_{lag}"] = product / variance if variance > 0 else np.nan
    return result


def _band(shape: tuple[int, int]) -> np.ndarray:
    left, right = (width * shape[1] // 848 for width in BANDS_PX)
    column = np.arange(shape[1])
    return np.broadcast_to((column < left) | (column >= shape[1] - right), shape)


def _missing(valid: np.ndarray, zone: np.ndarray) -> float:
    total = np.count_nonzero(zone)
    return 100.0 * np.count_nonzero(zone & ~valid) / total if total else np.nan
