"""Ground truth of a frame, and its zones: depth edges, surfaces between them, thin objects."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rs_denoise.depth import to_disparity_px

# Ground truth at or beyond this distance is not scored.
MAX_SCORED_MM = 6000
# An error above this fraction of the true depth is an outlier.
OUTLIER_FRACTION = 0.05
# A depth step above these fractions of the depth makes an edge or an edge band, in windows of these
# sizes in px.
EDGE_STEP, EDGE_WINDOW_PX = 0.05, 11
EDGE_BAND_STEP, EDGE_BAND_WINDOW_PX = 0.03, 15
THIN_PX = 9


@dataclass(frozen=True)
class GroundTruth:
    """A frame's ground truth with the zones that metrics use; all arrays are [H, W].

    Attributes:
        depth_mm: float32, 0 where ground truth is unknown or not scored.
        disparity_px: float32, 0 there too.
        unlimited_mm: float32, 0 only where ground truth is unknown: pixels that are not scored
            still explain depth next to them.
        edge: within 5 px of a depth step of more than 5 %.
        edge_band: within 7 px of a depth step of more than 3 %.
        interior: surfaces, the pixels outside the edge band.
        thin: foreground narrower than 9 px.
        nearest_mm, farthest_mm: least and greatest depth within 5 px.
    """

    depth_mm: np.ndarray
    disparity_px: np.ndarray
    unlimited_mm: np.ndarray
    edge: np.ndarray
    edge_band: np.ndarray
    interior: np.ndarray
    thin: np.ndarray
    nearest_mm: np.ndarray
    farthest_mm: np.ndarray

    @classmethod
    def of(cls, ground_truth_mm: np.ndarray, disparity_scale_px_mm: float) -> GroundTruth:
        """Finds the zones of a ground truth image.

        Args:
            ground_truth_mm: [H, W] uint16, 0 = unknown.
            disparity_scale_px_mm: fx * baseline.
        """
        known = (ground_truth_mm > 0) & (ground_truth_mm < MAX_SCORED_MM)
        depth = np.where(known, ground_truth_mm, 0).astype(np.float32)
        disparity = to_disparity_px(depth, disparity_scale_px_mm)
        edge_band = known & find_near_steps(depth, known, EDGE_BAND_STEP, EDGE_BAND_WINDOW_PX)
        return cls(
            depth_mm=depth,
            disparity_px=disparity.astype(np.float32),
            unlimited_mm=ground_truth_mm.astype(np.float32),
            edge=known & find_near_steps(depth, known, EDGE_STEP, EDGE_WINDOW_PX),
            edge_band=edge_band,
            interior=known & ~edge_band,
            thin=_find_thin(disparity, known),
            nearest_mm=_min_filter(depth, known, EDGE_WINDOW_PX),
            farthest_mm=_max_filter(depth, known, EDGE_WINDOW_PX),
        )

    @property
    def known(self) -> np.ndarray:
        """[H, W] bool, where ground truth is scored."""
        return self.depth_mm > 0


def _find_thin(disparity_px: np.ndarray, known: np.ndarray) -> np.ndarray:
    kernel = np.ones((THIN_PX, THIN_PX), np.uint8)
    opened = cv2.dilate(_min_filter(disparity_px, known, THIN_PX), kernel)
    return known & (disparity_px - opened > EDGE_STEP * disparity_px)


def find_near_steps(
    depth: np.ndarray, known: np.ndarray, fraction: float, window: int
) -> np.ndarray:
    """Marks pixels that have a depth step in the window around them.

    Args:
        depth, known: [H, W]; unknown neighbours make no step.
        fraction: a difference to a neighbour of more than this fraction of the depth is a step.
        window: width and height of the window in px.
    """
    step = _max_filter(depth, known, 3) - _min_filter(depth, known, 3)
    return _dilate(known & (step > fraction * depth), window)


def _min_filter(values: np.ndarray, known: np.ndarray, size: int) -> np.ndarray:
    huge = np.where(known, values, np.float32(1e9)).astype(np.float32)
    least = cv2.erode(huge, np.ones((size, size), np.uint8))
    return np.where(least < 1e9, least, 0).astype(np.float32)


def _max_filter(values: np.ndarray, known: np.ndarray, size: int) -> np.ndarray:
    return cv2.dilate(
        np.where(known, values, 0).astype(np.float32), np.ones((size, size), np.uint8)
    )


def _dilate(mask: np.ndarray, size: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0
