"""Where the two infrared images agree at a depth: what a model learns from the right one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rs_denoise.depth import to_disparity_px
from rs_denoise.matching import (
    FINE,
    STRIDE,
    candidate_surfaces,
    matching_evidence,
)
from rs_denoise.recordings.frame import Frame

# The evidence map of the depth itself, with fine normalisation: all textures have equal weight.
_MEASURED_MAP = FINE.index(0.0)


def map_agreement(frame: Frame, depth_mm: np.ndarray) -> np.ndarray:
    """Measures how well the infrared images agree, if depth is right.

    Args:
        frame: with both infrared images.
        depth_mm: [H, W], 0 = invalid; the camera's or another of the same frame.

    Returns:
        [H // 2, W // 2] float32: 1 where the images agree, 0 where they do not; NaN without depth.
    """
    assert frame.infrared is not None and frame.infrared_right is not None
    disparity_px = _to_tensor(to_disparity_px(depth_mm, frame.camera.disparity_scale_px_mm))
    images = _to_tensor(frame.infrared), _to_tensor(frame.infrared_right)
    evidence = matching_evidence(disparity_px, candidate_surfaces(disparity_px), *images)
    valid = disparity_px[0, 0, ::STRIDE, ::STRIDE] > 0
    return torch.where(valid, evidence[0, _MEASURED_MAP], torch.nan).numpy()


def _to_tensor(image: np.ndarray) -> Tensor:
    """An image as [1, 1, H, W] float32, less an odd last row or column."""
    height, width = (size - size % STRIDE for size in image.shape)
    return torch.from_numpy(image[:height, :width].astype(np.float32))[None, None]
