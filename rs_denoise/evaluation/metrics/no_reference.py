"""What one frame says of its depth when nobody knows the truth."""

from __future__ import annotations

import cv2
import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.evaluation.metrics.averages import mean, median
from rs_denoise.evaluation.metrics.ground_truth import OUTLIER_FRACTION
from rs_denoise.evaluation.metrics.planes import PlaneError, PlaneFit, Roi, fit_plane
from rs_denoise.gate import Gate
from rs_denoise.recordings.frame import Frame

# A step shows in the small window. There the large one spans hardly more; on a slope 2.5 times, and
# 1.75 beside a hole or the border of the image.
STEP_PX, AROUND_PX, MAX_WIDENING = 5, 11, 1.5
# The projector's dots are narrower than this median's half; what is left is smoothed.
DOT_PX, SMOOTHING_PX = 7, 1.5
# An infrared edge changes the brightness by this share a px. To darkness belongs its noise.
INFRARED_SHARE, DARKNESS = 0.05, 10.0
# An edge supports a step up to 2 px away.
SUPPORT_PX = 5
ROUNDING_MM = 0.5


def score_alone(frame: Frame, depth_mm: np.ndarray, planes: list[Roi]) -> dict[str, float]:
    """The figures of one depth image, NaN where nothing is there to measure.

    Args:
        frame: as the camera took it; of raw itself `depth_mm` is its depth.
        depth_mm: [H, W] uint16, 0 = invalid; what a method publishes of it.
        planes: where flat surfaces are (`find_planes`), the same for every method.

    Returns:
        fill_pct: valid, of all pixels.
        plane_rms_mm, plane_rms_pct, plane_subpixel_px: means of `fit_plane` over those of `planes`
            where enough is valid.
        flying_ir_pct: of the valid, those that float without reason: more than 5 % from both
            sides of a depth step within 2 px, and no edge of the infrared image within 2 px. A
            real step nearly always has such an edge, at its place; a smeared or displaced one has
            not. It does not see flying pixels right at an edge of the image, nor wrong depth that
            is flat; texture near a step excuses it. (Of the camera's own depth on real frames
            with ground truth, 83 to 98 % of what it counts is more than 5 % off.)
        changed_median_pct: median |out - in| / in, over pixels valid in both.
        changed_bad_pct: of those, the share that changed by more than 5 %.
        dropped_pct: invalid in the output, of the valid in the input.
        filled_pct: valid in the output, of the invalid in the input.
        receded_pct: of those valid in both, the share that came out farther than the gate allows
            (`Gate.max_recession`, of disparity): space called free that was seen blocked.
    """
    fits = _fits(depth_mm, frame.camera, planes)
    return {
        "fill_pct": 100 * mean(depth_mm > 0),
        "plane_rms_mm": mean(np.array([fit.rms_mm for fit in fits])),
        "plane_rms_pct": mean(np.array([fit.rms_pct for fit in fits])),
        "plane_subpixel_px": mean(np.array([fit.subpixel_rms_px for fit in fits])),
        "flying_ir_pct": _flying(depth_mm, frame.infrared),
        **_changes(frame.depth_mm, depth_mm),
    }


def _fits(depth_mm: np.ndarray, camera: Camera, planes: list[Roi]) -> list[PlaneFit]:
    fits = []
    for roi in planes:
        try:
            fits.append(fit_plane(depth_mm, camera, roi))
        except PlaneError:  # a method may have dropped it: fill_pct and dropped_pct say so
            continue
    return fits


def _changes(before_mm: np.ndarray, after_mm: np.ndarray) -> dict[str, float]:
    seen, published = before_mm > 0, after_mm > 0
    both = seen & published
    before, after = before_mm[both].astype(np.float64), after_mm[both].astype(np.float64)
    change = np.abs(after - before) / before
    # Published depth is rounded to whole mm, after the gate.
    receded = (after - ROUNDING_MM) * (1 - Gate.max_recession) > before
    return {
        "changed_median_pct": 100 * median(change),
        "changed_bad_pct": 100 * mean(change > OUTLIER_FRACTION),
        "dropped_pct": 100 * mean(~published[seen]),
        "filled_pct": 100 * mean(published[~seen]),
        "receded_pct": 100 * mean(receded),
    }


def _flying(depth_mm: np.ndarray, infrared: np.ndarray | None) -> float:
    if infrared is None:
        return float("nan")
    floating = _between_sides(depth_mm) & ~_near_infrared_edge(infrared)
    return 100 * mean(floating[depth_mm > 0])


def _between_sides(depth_mm: np.ndarray) -> np.ndarray:
    """Where a pixel is more than 5 % from both sides of a step near it."""
    valid = depth_mm > 0
    # A slope spans a wide range too; in inverse depth it is even, and spans more in a wider window.
    inverse = np.where(valid, 1000.0 / np.maximum(depth_mm, 1), 0).astype(np.float32)
    near, far = _sides(inverse, valid, STEP_PX)
    around_near, around_far = _sides(inverse, valid, AROUND_PX)
    step = around_near - around_far <= MAX_WIDENING * (near - far)
    return (
        valid
        & step
        & (inverse < (1 - OUTLIER_FRACTION) * near)
        & (inverse > (1 + OUTLIER_FRACTION) * far)
    )


def _sides(inverse: np.ndarray, valid: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The greatest and the least of the valid within a window."""
    window = np.ones((size, size), np.uint8)
    far = cv2.erode(np.where(valid, inverse, np.float32(1e9)), window)
    return cv2.dilate(inverse, window), far


def _near_infrared_edge(infrared: np.ndarray) -> np.ndarray:
    without_dots = cv2.medianBlur(infrared, DOT_PX)
    smooth = cv2.GaussianBlur(without_dots.astype(np.float32), (0, 0), SMOOTHING_PX)
    # Scharr's weights sum up to 32 over a px.
    across, down = (cv2.Scharr(smooth, cv2.CV_32F, *axis) / 32 for axis in ((1, 0), (0, 1)))
    edge = np.hypot(across, down) > INFRARED_SHARE * (smooth + DARKNESS)
    return cv2.dilate(edge.astype(np.uint8), np.ones((SUPPORT_PX, SUPPORT_PX), np.uint8)) > 0
