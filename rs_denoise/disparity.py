"""Depth in millimetres and disparity in pixels, each the other's scaled inverse.

disparity_px = fx * baseline / depth. 0 means invalid on both sides.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rs_denoise.depth import MAX_DEPTH_MM


def depth_to_disparity(depth_mm: Tensor, disparity_scale_px_mm: float) -> Tensor:
    """Disparity in px, float32, of depth in mm (any real dtype); 0, NaN and negative give 0."""
    # On a CPU torch.where takes thirty times as long as these, and so does number / tensor.
    inverse = torch.reciprocal(depth_mm.to(torch.float32)) * disparity_scale_px_mm
    return torch.nan_to_num(inverse, nan=0.0, posinf=0.0, neginf=0.0).clamp_min_(0.0)


def disparity_to_depth(disparity_px: Tensor, disparity_scale_px_mm: float) -> Tensor:
    """Depth in mm, float32, of disparity in px; 0, NaN and what lies beyond 65,535 mm give 0."""
    depth = torch.reciprocal(disparity_px) * disparity_scale_px_mm
    known = torch.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0).clamp_min_(0.0)
    # threshold() keeps what is above: far depth is dropped with the sign turned.
    return functional.threshold(-known, -MAX_DEPTH_MM - 0.5, 0.0).abs_()
