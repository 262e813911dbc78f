"""Converts tensors between depth in millimetres and disparity in pixels.

disparity_px = fx * baseline / depth, and 0 means invalid in both. The operations are chosen for
speed on CPUs: torch.where and number / tensor take thirty times as long. `depth.py` has the same
for arrays.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rs_denoise.depth import MAX_DEPTH_MM


def depth_to_disparity(depth_mm: Tensor, disparity_scale_px_mm: float) -> Tensor:
    """Converts depth in mm, any real dtype, to disparity in px, float32.

    0, negative, NaN and infinite depth give 0.
    """
    inverse = torch.reciprocal(depth_mm.to(torch.float32)) * disparity_scale_px_mm
    return torch.nan_to_num(inverse, nan=0.0, posinf=0.0, neginf=0.0).clamp_min_(0.0)


def disparity_to_depth(disparity_px: Tensor, disparity_scale_px_mm: float) -> Tensor:
    """Converts disparity in px to depth in mm, float32; 0, NaN and depth above 65,535 mm give 0."""
    depth = torch.reciprocal(disparity_px) * disparity_scale_px_mm
    finite = torch.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0).clamp_min_(0.0)
    # threshold() drops values below a limit; negated, it drops those above.
    return functional.threshold(-finite, -MAX_DEPTH_MM - 0.5, 0.0).abs_()
