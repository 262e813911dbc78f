"""Depth that is known to be beyond the sensor's range, which is more than unknown depth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rs_denoise.denoiser import Denoised


def restore_out_of_range(result: Denoised, depth_mm: np.ndarray) -> Denoised:
    """`result` with +infinity where the camera measured +infinity, and confidence 0 there.

    In REP 117, +infinity means that nothing is within range. Such pixels are not filled, and they
    count as valid: a frame full of them is not an empty frame.

    Args:
        result: of the frame.
        depth_mm: [H, W] as the camera measured it, any real type.
    """
    if depth_mm.dtype.kind != "f":
        return result
    beyond = np.isposinf(depth_mm)
    if not beyond.any():
        return result
    return replace(
        result,
        depth_mm=np.where(beyond, np.float32(np.inf), result.depth_mm),
        confidence=np.where(beyond, np.float32(0), result.confidence),
        valid_before_range=min(1.0, result.valid_before_range + float(beyond.mean())),
    )
