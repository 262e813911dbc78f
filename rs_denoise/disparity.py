"""Depth in millimetres and disparity in pixels, each the other's scaled inverse.

disparity_px = fx * baseline / depth. 0 means invalid on both sides.
"""

from __future__ import annotations

import torch
from torch import Tensor

# What uint16 millimetres can say.
MAX_DEPTH_MM = 65535.0


def depth_to_disparity(depth_mm: Tensor, disparity_scale_px_mm: float) -> Tensor:
    """Disparity in px, float32, of depth in mm (any real dtype); 0, NaN and negative give 0."""
    depth = depth_mm.to(torch.float32)
    usable = (depth > 0) & torch.isfinite(depth)
    return torch.where(usable, disparity_scale_px_mm / depth, torch.zeros_like(depth))


def disparity_to_depth(disparity_px: Tensor, disparity_scale_px_mm: float) -> Tensor:
    """Depth in mm, float32, of disparity in px; 0, NaN and what lies beyond 65,535 mm give 0."""
    depth = disparity_scale_px_mm / disparity_px
    usable = (disparity_px > 0) & (depth <= MAX_DEPTH_MM)
    return torch.where(usable, depth, torch.zeros_like(depth))
