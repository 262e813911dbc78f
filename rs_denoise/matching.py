"""Matching evidence: how well the two infrared images agree at candidate disparities.

The camera's stereo matcher outputs one disparity per pixel. Next to an object, its support window
covers the object too, so the background there is measured too near (foreground fattening); in a
gap, the match may correspond to no surface at all. The images still show which surface a pixel
belongs to: at a wrong disparity they disagree. With this evidence a network can choose the correct
surface, which depth alone does not reveal.

Evidence is computed over the whole frame, before tiling, because a match lies up to 126 px away.
It is sampled at every second pixel of every second row, the resolution of the network's features.
Agreement is computed twice: over a window, which is robust, and at the sample alone, which is not
blurred across edges.

Source: local contrast normalisation and truncated absolute differences as costs, as surveyed by
Hirschmueller and Scharstein 2009, "Evaluation of stereo matching costs on images with radiometric
differences".
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rs_denoise.window_filters import combine_along, max_filter, mean_filter, replicate_pad

# Evidence is sampled at every STRIDE-th pixel of every STRIDE-th row.
STRIDE = 2
# Candidate surfaces are the nearest and the farthest measured disparity this far around, in samples
# to each side: 8 px, as wide as the camera's matcher fattens edges.
REACH = 4
# Candidates relative to the measured disparity, px.
STEPS_PX = (-0.5, 0.0, 0.5)
FINE = (*STEPS_PX, "nearest", "farthest")
COARSE = (0.0, "nearest", "farthest")
# The channels: over a window, one per fine and per coarse candidate; one for occlusion; one that is
# 1 where there is evidence; at the sample alone, one per fine candidate.
OCCLUDED = len(FINE) + len(COARSE)
PRESENT = OCCLUDED + 1
EVIDENCE_CHANNELS = PRESENT + 1 + len(FINE)
# Side, in samples, of the window over which agreement is averaged: 9 px.
WINDOW = 5
# Normalised images that differ by this much do not agree at all.
MAX_DIFFERENCE = 2.0
# A left pixel is occluded if another one with this much more disparity has the same match.
OCCLUSION_PX = 4.0


class Contrast(NamedTuple):
    """How local contrast is normalised: (grey - mean) / sqrt(variance + noise**2).

    Attributes:
        window_px: side of the window of mean and variance; half of it, rounded down, is even.
        noise: contrast below this is not amplified, in grey levels.
        noise_of_mean: the same as a fraction of the local mean.
    """

    window_px: int
    noise: float
    noise_of_mean: float


# Fine: all textures are weighted equally, in a window that rarely spans an edge. On laser-scanned
# frames it best shows whether a fattened pixel belongs to the surface behind. Coarse: pixels with
# more contrast have more weight, which best shows whether a pixel is wrong at all.
FINE_CONTRAST = Contrast(5, 1.0, 0.0)
COARSE_CONTRAST = Contrast(9, 0.5, 0.3)
# Half of the larger window.
PADDING_PX = COARSE_CONTRAST.window_px // 2


def candidate_surfaces(disparity_px: Tensor) -> Tensor:
    """The nearest and the farthest surface that was measured around each sample.

    Args:
        disparity_px: [N, 1, H, W] float32, 0 = invalid; H and W even.

    Returns:
        [N, 2, H/2, W/2] float32: greatest and least valid disparity within `REACH` samples; 0
        where none is valid.
    """
    sampled = disparity_px[..., ::STRIDE, ::STRIDE]
    nearest = max_filter(sampled, 2 * REACH + 1)
    # The minimum is the maximum of the negatives, once invalid pixels are excluded.
    far_below = torch.sign(sampled).sub(1.0).mul(1e6)
    farthest = -max_filter(far_below - sampled, 2 * REACH + 1)
    return torch.cat([nearest, farthest * torch.sign(nearest)], dim=1)


def matching_evidence(
    disparity_px: Tensor,
    surfaces_px: Tensor,
    left: Tensor,
    right: Tensor | None,
    margin_px: int = 0,
) -> Tensor:
    """Agreement of the images at the candidates, and occlusion in the right image.

    Args:
        disparity_px: [N, 1, H, W] float32, as measured, 0 = invalid; H and W even.
        surfaces_px: [N, 2, H/2, W/2], of `candidate_surfaces`.
        left: [N, 1, H, W] float32 grey levels 0..255.
        right: [N, 1, H, W + margin_px], the same rows of the rectified right image; None if there
            is none: all evidence is then 0.
        margin_px: columns of `right` to the left of the first column of `left`, even: for crops.

    Returns:
        [N, EVIDENCE_CHANNELS, H/2, W/2] float32. First, for each of `FINE` and then of `COARSE`,
        the mean agreement in a window: 1 where the images agree; 0 where they do not, where there
        is no candidate, or where its match is outside the right image. At `OCCLUDED`, 0..1: how
        likely a pixel of a nearer surface matches the same right pixel. At `PRESENT`, 1 everywhere.
        Last, for each of `FINE`, the agreement at the sample alone.
    """
    measured = disparity_px[..., ::STRIDE, ::STRIDE]
    if right is None:
        return measured.new_zeros(measured.shape[0], EVIDENCE_CHANNELS, *measured.shape[2:])
    rows = disparity_px[..., ::STRIDE, :]
    steps = torch.tensor(STEPS_PX, device=measured.device).view(1, -1, 1, 1)
    fine_px = torch.cat(
        [(rows + steps) * torch.sign(rows), surfaces_px.repeat_interleave(STRIDE, dim=-1)], dim=1
    )
    coarse_px = torch.cat([measured, surfaces_px], dim=1)
    left_fine, left_coarse = normalise_contrast(left)
    right_fine, right_coarse = normalise_contrast(right)
    columns = _agreement(left_fine, right_fine, fine_px, margin_px)
    fine = 0.5 * (columns[..., ::STRIDE] + columns[..., 1::STRIDE])
    coarse = _agreement(left_coarse[..., ::STRIDE], right_coarse, coarse_px, margin_px, STRIDE)
    window = mean_filter(torch.cat([fine, coarse], dim=1), WINDOW)
    occluded = _occlusion(measured, margin_px)
    return torch.cat([window, occluded, torch.ones_like(occluded), fine], dim=1)


def agreement_in_windows(left: Tensor, right: Tensor, candidates_px: Tensor) -> Tensor:
    """How well the images agree at candidates, as for `COARSE`.

    Args:
        left, right: [N, 1, H, W] float32 grey levels 0..255; H and W even.
        candidates_px: [N, C, H/2, W/2] float32 disparity, 0 = none.

    Returns:
        [N, C, H/2, W/2] float32: 1 where the images agree; 0 where they do not.
    """
    agreement = coarse_agreement(coarse_rows(left), coarse_rows(right), candidates_px)
    return mean_filter(agreement, WINDOW)


def coarse_rows(image: Tensor) -> Tensor:
    """Every second row of an image ([N, 1, H, W], H even) normalised as for `COARSE`."""
    (rows,) = normalise_contrast(image, (COARSE_CONTRAST,))
    return rows


def coarse_agreement(left_rows: Tensor, right_rows: Tensor, candidates_px: Tensor) -> Tensor:
    """How well the images agree at single pixels, without a window around them.

    Args:
        left_rows, right_rows: [N, 1, H/2, W], as `coarse_rows` returns them.
        candidates_px: [N, C, H/2, W/2] float32 disparity, 0 = none.

    Returns:
        [N, C, H/2, W/2] float32, 0..1.
    """
    return _agreement(left_rows[..., ::STRIDE], right_rows, candidates_px, 0, STRIDE)


def normalise_contrast(
    image: Tensor, contrasts: tuple[Contrast, ...] = (FINE_CONTRAST, COARSE_CONTRAST)
) -> tuple[Tensor, ...]:
    """Subtracts the local mean and divides by the local contrast, in every second row.

    Args:
        image: [N, 1, H, W] float32 grey levels, H even; beyond the border its edge is repeated.
        contrasts: how; they share the sums over pairs of rows.

    Returns:
        One image for each of `contrasts`, [N, 1, H/2, W].
    """
    padded = replicate_pad(replicate_pad(image, PADDING_PX, 2), PADDING_PX, 3)
    moments = torch.cat([padded, padded * padded], dim=1)
    rows = moments[..., ::STRIDE, :]
    pairs_of_rows = rows + moments[..., 1::STRIDE, :]
    sampled = image[..., ::STRIDE, :]
    return tuple(_normalise(sampled, rows, pairs_of_rows, contrast) for contrast in contrasts)


def _normalise(image: Tensor, rows: Tensor, pairs_of_rows: Tensor, contrast: Contrast) -> Tensor:
    """The rows of `image` normalised, from the padded moments of all rows and of pairs of rows.

    A window that starts at an even row consists of pairs of rows and one more row.
    """
    side, half = contrast.window_px, contrast.window_px // 2
    height, width = image.shape[-2:]
    first = (PADDING_PX - half) // STRIDE
    pairs = pairs_of_rows.narrow(2, first, height + half - 1)
    columns = combine_along(pairs, half, 2, torch.add) + rows.narrow(2, first + half, height)
    columns = columns.narrow(3, PADDING_PX - half, width + side - 1)
    sums = combine_along(columns, side, 3, torch.add).mul_(1.0 / (side * side))
    mean, mean_square = sums[:, :1], sums[:, 1:]
    variance = (mean_square - mean * mean).clamp_min_(0.0)
    noise = contrast.noise_of_mean * mean + contrast.noise
    return (image - mean).mul_(variance.add_(noise * noise).rsqrt_())


def _agreement(
    left_samples: Tensor,
    right_rows: Tensor,
    candidates_px: Tensor,
    margin_px: int,
    column_stride: int = 1,
) -> Tensor:
    """Agreement 0..1 of the normalised images at each of the candidates, of the same shape."""
    right_samples, inside = _sample_right(right_rows, candidates_px, margin_px, column_stride)
    difference = right_samples.sub_(left_samples).abs_()
    return difference.mul_(-1.0 / MAX_DIFFERENCE).add_(1.0).clamp_min_(0.0).mul_(inside)


def _sample_right(
    right: Tensor, candidates_px: Tensor, margin_px: int, column_stride: int
) -> tuple[Tensor, Tensor]:
    """Values of `right` at the candidates' matches, and a mask that is 1 where these are inside it.

    The images are rectified, so it interpolates only along rows, between two pixels.
    """
    width, last = candidates_px.shape[-1], right.shape[-1] - 1
    columns = torch.arange(width, device=right.device, dtype=torch.float32)
    position = columns.mul_(column_stride).add_(margin_px) - candidates_px
    # The mask fades out over one pixel beyond the border.
    inside = (position + 1.0).clamp_(0.0, 1.0).mul_(torch.sign(candidates_px).clamp_min_(0.0))
    position = position.clamp_(0, last)
    first = position.to(torch.int64).clamp_max_(last - 1)
    rows = right.expand(-1, candidates_px.shape[1], -1, -1)
    before, after = rows.gather(-1, first), rows.gather(-1, first + 1)
    return torch.lerp(before, after, position - first), inside


def _occlusion(measured_px: Tensor, margin_px: int) -> Tensor:
    """Occlusion in the right image, [N, 1, H/2, W/2] in 0..1: a nearer pixel has the same match."""
    width = measured_px.shape[-1]
    extra = margin_px // STRIDE
    columns = torch.arange(width, device=measured_px.device, dtype=torch.float32) + extra
    column = (columns - measured_px / STRIDE + 0.5).to(torch.int64).clamp_(0, width + extra - 1)
    shape = (*measured_px.shape[:-1], width + extra)
    claims = measured_px.new_zeros(shape).scatter_reduce(-1, column, measured_px, "amax")
    excess = claims.gather(-1, column) - measured_px
    return excess.div_(OCCLUSION_PX).clamp_(0.0, 1.0).mul_(torch.sign(measured_px))
