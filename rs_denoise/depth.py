"""Depth images outside the network: [H, W] uint16 millimetres, 0 = invalid."""

from __future__ import annotations

import numpy as np

# The greatest depth of a uint16 image. As ground truth it means "known to be at least this far",
# as the sky is: no obstacle, but no depth to measure errors against either.
MAX_DEPTH_MM = 65535


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
