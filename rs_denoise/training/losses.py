"""What the network is asked for: the right disparity, smooth surfaces, and honest doubt."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# Errors far below this count in full, far above by their logarithm: wrong matches are worth
# repairing, but one must not outweigh a hundred good pixels.
KNEE_PX = 16.0
# Around depth steps the sides are easily confused, and there robots collide.
EDGE_WEIGHT = 3.0
EDGE_REACH_PX = 9
EDGE_SHARE = 0.04
# Free space that is none is worse than an obstacle that is none: where in doubt, nearer. (The 0.55
# quantile.)
RECEDING_WEIGHT = 1.2
# What is invalid in the input counts less: much of it cannot be known.
HOLE_WEIGHT = 0.15
GRADIENT_WEIGHT = 1.0
SCALE_WEIGHT = 0.25
# Neighbours on one surface differ by less than this in the truth.
SAME_SURFACE_PX = 0.5
# A step of the error beyond this is a wrong match, which accuracy looks after.
STEP_LIMIT_PX = 2.0


def denoising_loss(
    output_px: Tensor, scale_px: Tensor, input_px: Tensor, truth_px: Tensor
) -> dict[str, Tensor]:
    """The parts of the loss and their sum under "loss"; all arguments [N, 1, H, W] in px.

    Accuracy is a robust L1. Smoothness is the L1 of the error's gradient within a surface, which
    rewards taking ripple out without touching edges. The uncertainty is fitted as a Laplace scale
    to the error as it is (detached), so that doubt never excuses a wrong mean.
    """
    known = truth_px > 0
    weight = torch.where(input_px > 0, 1.0, HOLE_WEIGHT) * known
    # An error of a pixel costs more depth the farther away it is.
    weight = weight * (20.0 / truth_px.clamp_min(1.0)).clamp(0.5, 2.0)
    error = torch.where(known, output_px - truth_px, torch.zeros_like(truth_px))
    weight = torch.where(_near_edge(truth_px), EDGE_WEIGHT * weight, weight)
    weight = torch.where(error.detach() < 0, RECEDING_WEIGHT * weight, weight)
    accuracy = _mean(KNEE_PX * torch.log1p(error.abs() / KNEE_PX), weight)
    seen = weight * (input_px > 0)
    smoothness = _gradient(error, truth_px, seen, 2) + _gradient(error, truth_px, seen, 3)
    likelihood = error.detach().abs() / scale_px + torch.log(scale_px)
    doubt = _mean(likelihood, known.to(error.dtype))
    total = accuracy + GRADIENT_WEIGHT * smoothness + SCALE_WEIGHT * doubt
    return {"loss": total, "accuracy": accuracy, "smoothness": smoothness, "doubt": doubt}


def _near_edge(truth_px: Tensor) -> Tensor:
    greatest = functional.max_pool2d(truth_px, 3, stride=1, padding=1)
    step = (greatest - truth_px > EDGE_SHARE * greatest) & (truth_px > 0)
    rows = functional.max_pool2d(step.float(), (EDGE_REACH_PX, 1), stride=1, padding=(4, 0))
    return functional.max_pool2d(rows, (1, EDGE_REACH_PX), stride=1, padding=(0, 4)) > 0


def _gradient(error: Tensor, truth_px: Tensor, weight: Tensor, axis: int) -> Tensor:
    def step(x: Tensor) -> Tensor:
        return x.narrow(axis, 1, x.shape[axis] - 1) - x.narrow(axis, 0, x.shape[axis] - 1)

    length = weight.shape[axis] - 1
    both = weight.narrow(axis, 0, length) * weight.narrow(axis, 1, length)
    both = both * (step(truth_px).abs() < SAME_SURFACE_PX)
    return _mean(step(error).abs().clamp_max(STEP_LIMIT_PX), both)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1.0)
