"""How closely the simulated matcher reproduces a real camera on the same infrared pair.

Agreement and holes are compared without ground truth. With ground truth, errors are compared pixel
by pixel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from rs_denoise.depth import to_disparity_px
from rs_denoise.evaluation.metrics.ground_truth import (
    EDGE_STEP,
    GroundTruth,
    find_near_steps,
)
from rs_denoise.recordings.frame import Frame
from rs_denoise.simulation.matcher import Matcher, match

AGREE_PX = 1.0
WRONG_PX = 1.5
# Interior errors up to this are noise; a larger one, a wrong match, would outweigh all others.
MAX_NOISE_PX = 1.0
FATTENED_WITHIN_PX = 12
# The left columns, of an image 1280 px wide, which the right imager may not see.
LEFT_BAND_PX, LEFT_BAND_OF_PX = 150, 1280


@dataclass(frozen=True)
class Fidelity:
    """The matcher compared with the camera, outside the left band; NaN if not comparable.

    Attributes:
        agree_1px: fraction of the pixels valid in both whose disparities differ by at most 1 px.
        median_px: median difference of those.
        hole_iou: intersection of the invalid pixels over their union.
        hole_ratio: invalid pixels of the matcher over those of the camera.
        error_correlation: Pearson correlation of the disparity errors away from depth edges, each
            clipped to 1 px.
        sigma_ratio: robust spread (1.4826 MAD) of the matcher's errors over that of the camera's.
        fattening_recall: of the camera's pixels within 12 px of a depth edge that are more than
            1.5 px too near, the fraction where the matcher is within 1.5 px of the camera.
        fattening_ratio: such pixels of the matcher over those of the camera.
        bad_ratio: fraction of valid pixels more than 1.5 px off, over that of the camera.
    """

    agree_1px: float
    median_px: float
    hole_iou: float
    hole_ratio: float
    error_correlation: float = np.nan
    sigma_ratio: float = np.nan
    fattening_recall: float = np.nan
    fattening_ratio: float = np.nan
    bad_ratio: float = np.nan


def measure_fidelity(frame: Frame, matcher: Matcher) -> Fidelity:
    """Matches the frame's infrared pair and compares with the frame's depth.

    Raises:
        ValueError: a frame without both infrared images.
    """
    if frame.infrared is None or frame.infrared_right is None:
        raise ValueError(f"{frame.name}: needs infrared of the left and of the right imager")
    scale = frame.camera.disparity_scale_px_mm
    camera_px = to_disparity_px(frame.depth_mm, scale)
    matched_px = match(frame.infrared, frame.infrared_right, matcher)
    width = camera_px.shape[1]
    inside = np.broadcast_to(
        np.arange(width) >= LEFT_BAND_PX * width // LEFT_BAND_OF_PX, camera_px.shape
    )
    both = inside & (camera_px > 0) & (matched_px > 0)
    difference = np.abs(matched_px - camera_px)[both]
    holes = [inside & (disparity == 0) for disparity in (camera_px, matched_px)]
    agreement = {
        "agree_1px": _fraction(difference <= AGREE_PX),
        "median_px": float(np.median(difference)) if difference.size else np.nan,
        "hole_iou": _ratio(holes[0] & holes[1], holes[0] | holes[1]),
        "hole_ratio": _ratio(holes[1], holes[0]),
    }
    if frame.ground_truth_mm is None:
        return Fidelity(**agreement)
    truth = GroundTruth.of(frame.ground_truth_mm, scale)
    return Fidelity(**agreement, **_compare_errors(camera_px, matched_px, truth, inside))


def average(results: Iterable[Fidelity]) -> dict[str, float]:
    """The mean of each metric over the frames in which it could be measured."""
    results, means = list(results), {}
    for field in fields(Fidelity):
        values = np.array([getattr(result, field.name) for result in results], float)
        known = values[np.isfinite(values)]
        means[field.name] = float(known.mean()) if known.size else np.nan
    return means


def _compare_errors(
    camera_px: np.ndarray, matched_px: np.ndarray, truth: GroundTruth, inside: np.ndarray
) -> dict[str, float]:
    valid = [truth.known & inside & (disparity > 0) for disparity in (camera_px, matched_px)]
    errors = [disparity - truth.disparity_px for disparity in (camera_px, matched_px)]
    interior = valid[0] & valid[1] & truth.interior
    noise = [np.clip(error[interior], -MAX_NOISE_PX, MAX_NOISE_PX) for error in errors]
    window = 2 * FATTENED_WITHIN_PX + 1
    near_edge = find_near_steps(truth.depth_mm, truth.known, EDGE_STEP, window)
    fattened = [
        usable & near_edge & (error > WRONG_PX) for usable, error in zip(valid, errors, strict=True)
    ]
    found = fattened[0] & (matched_px > 0) & (np.abs(matched_px - camera_px) <= WRONG_PX)
    spread = [_robust_sigma(error[usable]) for error, usable in zip(errors, valid, strict=True)]
    wrong = [
        _fraction(np.abs(error[usable]) > WRONG_PX)
        for error, usable in zip(errors, valid, strict=True)
    ]
    return {
        "error_correlation": _correlation(*noise),
        "sigma_ratio": spread[1] / spread[0] if spread[0] > 0 else np.nan,
        "fattening_recall": _ratio(found, fattened[0]),
        "fattening_ratio": _ratio(fattened[1], fattened[0]),
        "bad_ratio": wrong[1] / wrong[0] if wrong[0] > 0 else np.nan,
    }


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if a.size < 2 or a.std() == 0 or b.std() == 0:
        return np.nan
    return float(np.corrcoef(a, b)[0, 1])


def _robust_sigma(error: np.ndarray) -> float:
    if error.size == 0:
        return np.nan
    return float(1.4826 * np.median(np.abs(error - np.median(error))))


def _fraction(mask: np.ndarray) -> float:
    return float(mask.mean()) if mask.size else np.nan


def _ratio(part: np.ndarray, whole: np.ndarray) -> float:
    total = np.count_nonzero(whole)
    return np.count_nonzero(part) / total if total else np.nan
