"""Metrics of one frame without ground truth."""

from __future__ import annotations

import math

import cv2
import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.evaluation.metrics.averages import mean, median
from rs_denoise.evaluation.metrics.blocks import NoReference
from rs_denoise.evaluation.metrics.ground_truth import OUTLIER_FRACTION
from rs_denoise.evaluation.metrics.planes import PlaneError, PlaneFit, Roi, fit_plane
from rs_denoise.gate import Gate
from rs_denoise.recordings.frame import Frame

# A depth step spans nearly as much in the small window as in the large one. A slope spans 2.5 times
# as much in the large one, and 1.75 times as much next to a hole or the border of the image.
STEP_PX, AROUND_PX, MAX_WIDENING = 5, 11, 1.5
# This median removes the projector's dots, which are narrower than half of it.
DOT_PX, SMOOTHING_PX = 7, 1.5
# An infrared edge changes the brightness by more than this fraction per px. With the offset, noise
# in dark areas is not an edge.
MIN_INFRARED_STEP, DARKNESS = 0.05, 10.0
# An edge explains a step up to 2 px away.
SUPPORT_PX = 5
ROUNDING_MM = 0.5


def measure_without_reference(
    frame: Frame, depth_mm: np.ndarray, planes: list[Roi], infrared_edges: np.ndarray | None,
    wall_mm: float | None = None,
) -> NoReference:  # fmt: skip
    """Measures one depth image.

    Flying pixels are estimated: a real depth step nearly always coincides with an infrared edge; a
    smeared or displaced one does not. The estimate misses flying pixels right at an infrared edge
    or near texture, and flat surfaces at a wrong depth. (Of the camera's own depth on real frames
    with ground truth, 83 to 98 % of what it counts is more than 5 % off.)

    Args:
        frame: as recorded; the camera's own depth is compared with itself.
        depth_mm: [H, W] uint16, 0 = invalid; a method's output for the frame.
        planes: flat surfaces (`find_planes`), the same for every method.
        infrared_edges: [H, W] bool, of the frame (`find_infrared_edges`); None without infrared.
        wall_mm: true distance of the first of `planes`, along the optical axis; None: unknown.
    """
    fits = _fit_planes(depth_mm, frame.camera, planes)
    seen, published = frame.depth_mm > 0, depth_mm > 0
    both = seen & published
    before, after = frame.depth_mm[both].astype(np.float64), depth_mm[both].astype(np.float64)
    change = np.abs(after - before) / before
    # Published depth is rounded to whole mm, after the gate.
    receded = after - ROUNDING_MM > before * (1 + Gate.max_recession)
    return NoReference(
        fill_pct=100 * mean(published),
        plane_rms_mm=mean(np.array([fit.rms_mm for fit in fits])),
        plane_rms_pct=mean(np.array([fit.rms_pct for fit in fits])),
        plane_subpixel_px=mean(np.array([fit.subpixel_rms_px for fit in fits])),
        flying_ir_pct=_measure_flying_pixels(depth_mm, infrared_edges),
        changed_median_pct=100 * median(change),
        changed_bad_pct=100 * mean(change > OUTLIER_FRACTION),
        dropped_pct=100 * mean(~published[seen]),
        filled_pct=100 * mean(published[~seen]),
        receded_pct=100 * mean(receded),
        z_accuracy_pct=_measure_z_accuracy(depth_mm, frame.camera, planes, wall_mm),
    )


def find_infrared_edges(infrared: np.ndarray) -> np.ndarray:
    """Marks the edges of the infrared image, 2 px to each side; projected dots are not edges.

    Args:
        infrared: [H, W] uint8.

    Returns:
        [H, W] bool.
    """
    without_dots = cv2.medianBlur(infrared, DOT_PX)
    smooth = cv2.GaussianBlur(without_dots.astype(np.float32), (0, 0), SMOOTHING_PX)
    # Scharr's weights sum to 32 per px.
    across, down = (cv2.Scharr(smooth, cv2.CV_32F, *axis) / 32 for axis in ((1, 0), (0, 1)))
    edge = np.hypot(across, down) > MIN_INFRARED_STEP * (smooth + DARKNESS)
    return cv2.dilate(edge.astype(np.uint8), np.ones((SUPPORT_PX, SUPPORT_PX), np.uint8)) > 0


def _fit_planes(depth_mm: np.ndarray, camera: Camera, planes: list[Roi]) -> list[PlaneFit]:
    fits = []
    for roi in planes:
        try:
            fits.append(fit_plane(depth_mm, camera, roi))
        except PlaneError:  # a method may have dropped it: fill_pct and dropped_pct show it
            continue
    return fits


def _measure_z_accuracy(
    depth_mm: np.ndarray, camera: Camera, planes: list[Roi], wall_mm: float | None
) -> float:
    if wall_mm is None or not planes:
        return math.nan
    try:
        return fit_plane(depth_mm, camera, planes[0], wall_mm).z_accuracy_pct
    except PlaneError:  # the method dropped the wall: fill_pct and dropped_pct show it
        return math.nan


def _measure_flying_pixels(depth_mm: np.ndarray, infrared_edges: np.ndarray | None) -> float:
    if infrared_edges is None:
        return math.nan
    floating = _find_between_sides(depth_mm) & ~infrared_edges
    return 100 * mean(floating[depth_mm > 0])


def _find_between_sides(depth_mm: np.ndarray) -> np.ndarray:
    """Where a pixel is more than 5 % from both sides of a step near it."""
    valid = depth_mm > 0
    # A slope spans a wide range too; in inverse depth it is linear, and spans more in a wider
    # window.
    inverse = np.where(valid, 1000.0 / np.maximum(depth_mm, 1), 0).astype(np.float32)
    near, far = _find_sides(inverse, valid, STEP_PX)
    around_near, around_far = _find_sides(inverse, valid, AROUND_PX)
    step = around_near - around_far <= MAX_WIDENING * (near - far)
    return (
        valid
        & step
        & (inverse < (1 - OUTLIER_FRACTION) * near)
        & (inverse > (1 + OUTLIER_FRACTION) * far)
    )


def _find_sides(inverse: np.ndarray, valid: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The maximum and minimum of the valid values within a window."""
    window = np.ones((size, size), np.uint8)
    far = cv2.erode(np.where(valid, inverse, np.float32(1e9)), window)
    return cv2.dilate(inverse, window), far
