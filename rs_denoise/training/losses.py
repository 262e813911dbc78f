"""The loss: accurate disparity, smooth surfaces, and a calibrated uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from rs_denoise.network_kind import TOLERANCE
from rs_denoise.window_filters import max_filter

# The loss is linear in errors far below this and logarithmic far above: a wrong match should be
# corrected, but must not outweigh a hundred good pixels.
KNEE_PX = 16.0
# Pixels around depth steps have more weight: there surfaces are confused and robots collide.
EDGE_WEIGHT = 3.0
EDGE_WINDOW_PX = 9
EDGE_STEP = 0.04
# Thin objects have even more weight: they have few pixels, and robots collide with them.
THIN_WEIGHT = 3.0
THIN_PX = 9
# False free space is worse than a false obstacle, so errors towards too far have more weight. (This
# fits the 0.55 quantile.)
RECEDING_WEIGHT = 1.2
# Holes of the input have less weight, because much of their content cannot be known.
HOLE_WEIGHT = 0.15
GRADIENT_WEIGHT = 1.0
# Confidence is trained as the probability of an error below `TOLERANCE`, which is how it is used.
# The likelihood of the whole distribution stabilises this; alone, it cannot distinguish "5 px or 0"
# from "1 px".
CONFIDENCE_WEIGHT = 0.5
LIKELIHOOD_WEIGHT = 0.05
# Deliberately not the exact frequency of errors: correct pixels on thin objects, with which robots
# collide, have more weight, and so have pixels that are too far, which are false free space.
THIN_CONFIDENCE_WEIGHT, TOO_FAR_WEIGHT = 6.0, 2.0
# The probability of a large error is kept away from 0, or a few pixels would outweigh all others.
MIN_PROBABILITY = 1e-3
# Scale of the Laplace distribution around each candidate, px, and the error in scales from which on
# a candidate does not explain the truth at all: then no candidate is preferred.
CANDIDATE_SCALE_PX, MAX_CANDIDATE_ERROR = 0.5, 8.0
CHOICE_WEIGHT = 1.0
# Of an invalid candidate; finite, so that pixels without any candidate give no NaN.
INVALID_LOGIT = -1e4
# Neighbours are on one surface if their true disparities differ by less than this.
MAX_SURFACE_STEP_PX = 0.5
# A larger step of the error is a wrong match, which the accuracy term covers.
MAX_ERROR_STEP_PX = 2.0


def denoising_loss(
    output_px: Tensor,
    scale_px: Tensor,
    input_px: Tensor,
    truth_px: Tensor,
    choice: Sequence[Tensor] = (),
) -> dict[str, Tensor]:
    """Computes the parts of the loss, and their weighted sum under "loss".

    Accuracy is a robust L1 of the error. Smoothness is the L1 of the error's gradient within
    surfaces, which rewards removing high-frequency error and leaves edges alone. Uncertainty is the
    cross-entropy of the published confidence, and the negative log-likelihood of a Laplace
    distribution; the error is detached in both, so that a large scale cannot excuse a wrong
    disparity. Choice is the negative log-likelihood of the truth in the mixture of the candidates.

    Args:
        output_px, scale_px: the network's disparity and Laplace scale, [N, 1, H, W] in px.
        input_px: measured disparity, of the same shape, 0 = invalid.
        truth_px: true disparity, of the same shape, 0 = unknown.
        choice: candidates and their logits, [N, K, H, W] each, of networks that choose: their
            further outputs in training.
    """
    thin = _thin(truth_px)
    weight = _weight(input_px, truth_px, thin)
    error = torch.where(truth_px > 0, output_px - truth_px, torch.zeros_like(truth_px))
    error_weight = torch.where(error.detach() < 0, RECEDING_WEIGHT * weight, weight)
    accuracy = _mean(KNEE_PX * torch.log1p(error.abs() / KNEE_PX), error_weight)
    seen = error_weight * (input_px > 0)
    smoothness = _gradient(error, truth_px, seen, 2) + _gradient(error, truth_px, seen, 3)
    uncertainty = _uncertainty(error.detach(), scale_px, output_px.detach(), truth_px, thin)
    total = accuracy + GRADIENT_WEIGHT * smoothness + uncertainty
    parts = {"accuracy": accuracy, "smoothness": smoothness, "uncertainty": uncertainty}
    if choice:
        candidates_px, logits = choice
        parts["choice"] = _choice(candidates_px, logits, truth_px, weight)
        total = total + CHOICE_WEIGHT * parts["choice"]
    return {"loss": total, **parts}


def _weight(input_px: Tensor, truth_px: Tensor, thin: Tensor) -> Tensor:
    """The weight of each pixel's disparity; 0 where the truth is unknown."""
    weight = torch.where(input_px > 0, 1.0, HOLE_WEIGHT) * (truth_px > 0)
    # The same error in px is a larger error of depth the farther away the surface is.
    weight = weight * (20.0 / truth_px.clamp_min(1.0)).clamp(0.5, 2.0)
    weight = torch.where(_near_edge(truth_px), EDGE_WEIGHT * weight, weight)
    return torch.where(thin, THIN_WEIGHT * weight, weight)


def _choice(candidates_px: Tensor, logits: Tensor, truth_px: Tensor, weight: Tensor) -> Tensor:
    valid = candidates_px > 0
    log_prior = torch.log_softmax(torch.where(valid, logits, INVALID_LOGIT), dim=1)
    log_likelihood = -(candidates_px - truth_px).abs() / CANDIDATE_SCALE_PX
    unexplained = torch.full_like(truth_px, -MAX_CANDIDATE_ERROR)
    joint = torch.cat([log_prior + log_likelihood, unexplained], dim=1)
    return _mean(-torch.logsumexp(joint, dim=1, keepdim=True), weight)


def _uncertainty(
    error: Tensor, scale_px: Tensor, output_px: Tensor, truth_px: Tensor, thin: Tensor
) -> Tensor:
    """How badly the scale predicts the error, in particular whether it is within `TOLERANCE`."""
    weight = (truth_px > 0).to(error.dtype)
    large = error.abs() > TOLERANCE * truth_px
    # As `LaplaceNetworkKind.decode_outputs` computes confidence, which is 1 minus this.
    probability = torch.exp(-TOLERANCE * output_px / scale_px)
    probability = MIN_PROBABILITY + (1 - 2 * MIN_PROBABILITY) * probability
    # Not torch's own, which is not allowed under autocast, although everything is float32 here.
    cross_entropy = -torch.where(large, probability, 1 - probability).log()
    weight = torch.where(thin & ~large, THIN_CONFIDENCE_WEIGHT * weight, weight)
    weight = torch.where(large & (error < 0), TOO_FAR_WEIGHT * weight, weight)
    likelihood = error.abs() / scale_px + torch.log(scale_px)
    return _mean(CONFIDENCE_WEIGHT * cross_entropy + LIKELIHOOD_WEIGHT * likelihood, weight)


def _thin(truth_px: Tensor) -> Tensor:
    """Where the true foreground is narrower than `THIN_PX`: what an opening removes.

    Computed at every second pixel of every second row, a quarter of the work.
    """
    sampled, side = truth_px[..., ::2, ::2], THIN_PX // 2 + 1
    opened = max_filter(-max_filter(-sampled, side), side)
    thin = sampled - opened > EDGE_STEP * sampled
    return functional.interpolate(thin.float(), scale_factor=2.0) > 0


def _near_edge(truth_px: Tensor) -> Tensor:
    nearest_px = max_filter(truth_px, 3)
    step = (nearest_px - truth_px > EDGE_STEP * nearest_px) & (truth_px > 0)
    return max_filter(step.float(), EDGE_WINDOW_PX) > 0


def _gradient(error: Tensor, truth_px: Tensor, weight: Tensor, axis: int) -> Tensor:
    def step(x: Tensor) -> Tensor:
        return x.narrow(axis, 1, x.shape[axis] - 1) - x.narrow(axis, 0, x.shape[axis] - 1)

    length = weight.shape[axis] - 1
    both = weight.narrow(axis, 0, length) * weight.narrow(axis, 1, length)
    both = both * (step(truth_px).abs() < MAX_SURFACE_STEP_PX)
    return _mean(step(error).abs().clamp_max(MAX_ERROR_STEP_PX), both)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1.0)
