"""Depth images as NumPy arrays: millimetres, 0 = invalid, and their conversions.

The same conversions for tensors are in `disparity.py`.
"""

from __future__ import annotations

import numpy as np

# The largest depth of a uint16 image. In ground truth it means "at least this far", such as the
# sky: not an obstacle, and errors are not measured there.
MAX_DEPTH_MM = 65535
# The unit of depth images that do not say another, in metres.
MILLIMETRE_M = 0.001
# Avoids division by zero: any smaller disparity means depth beyond MAX_DEPTH_MM for every camera.
MIN_DISPARITY_PX = 1e-3


def to_uint16_mm(depth_mm: np.ndarray) -> np.ndarray:
    """Rounds depth to whole millimetres; what uint16 cannot represent becomes invalid.

    Args:
        depth_mm: any shape, any real type; NaN, infinity and values below 0 or above 65,535 mm
            give 0.

    Returns:
        uint16, of the same shape.
    """
    representable = (depth_mm > 0) & (depth_mm < MAX_DEPTH_MM + 0.5)
    return np.where(representable, np.rint(depth_mm), 0).astype(np.uint16)


def metres_to_mm(depth_m: np.ndarray) -> np.ndarray:
    """Converts depth of `32FC1` to millimetres.

    Args:
        depth_m: any shape, float32, metres.

    Returns:
        float32, of the same shape. Infinity and NaN stay; what is too large for float32 in mm is
        garbage and gives 0, because +infinity means that nothing is within range.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # invalid: some NaN of corrupted images
        depth_mm = depth_m * np.float32(1000.0)
    depth_mm[np.isposinf(depth_mm) & (depth_m < np.inf)] = 0
    return depth_mm


def convert_units(depth: np.ndarray, unit_m: float) -> np.ndarray:
    """Converts depth in a camera's unit to millimetres, and keeps a finer unit's precision.

    Args:
        depth: any shape, uint16, 0 = invalid.
        unit_m: depth unit of the camera in metres, for example 0.0001 of a D405.

    Returns:
        uint16 if the unit is 1 mm or coarser, float32 if it is finer.
    """
    unit_mm = float(f"{1000 * unit_m:.6g}")  # recorded as float32, so 0.0001 is slightly off
    if unit_mm == 1:
        return depth.astype(np.uint16)
    return depth * np.float32(unit_mm) if unit_mm < 1 else to_uint16_mm(depth * unit_mm)


def round_like(depth_mm: np.ndarray, measured_mm: np.ndarray) -> np.ndarray:
    """Rounds depth to whole millimetres if the camera measured it in whole millimetres.

    Args:
        depth_mm: [H, W] float, mm.
        measured_mm: [H, W], the camera's depth of the same frame.

    Returns:
        [H, W] uint16 if `measured_mm` is uint16, else float32.
    """
    if measured_mm.dtype.kind == "f":
        return depth_mm.astype(np.float32)
    return to_uint16_mm(depth_mm)


def to_disparity_px(depth_mm: np.ndarray, disparity_scale_px_mm: float) -> np.ndarray:
    """Converts depth in mm, any real type, to disparity in px, float32; 0 stays 0."""
    depth = depth_mm.astype(np.float32)
    return np.where(depth > 0, np.float32(disparity_scale_px_mm) / np.maximum(depth, 1), 0)


def to_depth_mm(disparity_px: np.ndarray, disparity_scale_px_mm: float) -> np.ndarray:
    """Converts disparity in px to depth in mm, float32; 0 and depth above 65,535 mm give 0."""
    disparity = np.maximum(disparity_px.astype(np.float32), np.float32(MIN_DISPARITY_PX))
    depth_mm = np.float32(disparity_scale_px_mm) / disparity
    return np.where((disparity_px > 0) & (depth_mm < MAX_DEPTH_MM + 0.5), depth_mm, 0)
