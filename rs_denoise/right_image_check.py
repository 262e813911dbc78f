"""Whether the two infrared images show what depth was measured from.

A right image that does not belong to depth (swapped with the left one, of another moment, shifted
or covered, or compared with a wrong baseline) agrees nowhere, so to a network that compares both
images every pixel looks wrong: `unet` then drops two thirds of the thin objects. With the left
image alone it keeps them. A right image that is 1 or 2 px off is not recognised reliably.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rs_denoise.matching import STRIDE, agreement_in_windows

# The images are compared in strips of this many rows out of a period: a quarter of the image is
# enough. Both are even.
STRIP_ROWS, PERIOD_ROWS = 16, 64
# Disparities next to the measured one, px, at which the images should agree less: farther away than
# the agreement reaches that a wide texture has at its own disparity.
DECOYS_PX = (6.0, 12.0, 18.0, 24.0)
# A smaller fraction of confirmed depth than this means that the images do not belong to it. By
# chance it is 0.2. Where they do, the least of 9 real frames is 0.86, and of 300 simulated ones
# 0.64; if they are swapped, or the right one is 3 px off, the most of the real frames is 0.47.
# (Measured by a script that is not in this repository.)
MIN_CONFIRMED = 0.5
# With fewer samples than this the fraction is chance.
MIN_SAMPLES = 500


def confirmed_fraction(measured_px: Tensor, left: Tensor, right: Tensor) -> float | None:
    """How much of the measured disparity both infrared images confirm.

    A sample is confirmed if the images agree better at its disparity than at every decoy.

    Args:
        measured_px: [1, 1, H, W] float32, 0 = invalid.
        left, right: [1, 1, H, W] float32 grey levels 0..255.

    Returns:
        0..1; None if too few pixels are measured to tell.
    """
    disparity_px, left, right = (_take_strips(image) for image in (measured_px, left, right))
    if disparity_px.numel() < MIN_SAMPLES:
        return None
    measured = disparity_px[..., ::STRIDE, ::STRIDE]
    decoys = [(measured + step) * measured.sign() for step in DECOYS_PX]
    agreement = agreement_in_windows(left, right, torch.cat([measured, *decoys], dim=1))
    column = torch.arange(measured.shape[-1], device=measured.device) * STRIDE
    # Only where the right image shows every candidate.
    samples = (measured > 0) & (measured + DECOYS_PX[-1] <= column)
    confirmed = samples & (agreement[:, :1] > agreement[:, 1:].amax(dim=1, keepdim=True))
    counts: list[int] = torch.stack([samples.sum(), confirmed.sum()]).tolist()
    return counts[1] / counts[0] if counts[0] >= MIN_SAMPLES else None


def _take_strips(image: Tensor) -> Tensor:
    """[1, 1, H, W] as [N, 1, STRIP_ROWS, W], W even."""
    periods, width = image.shape[-2] // PERIOD_ROWS, image.shape[-1] // STRIDE * STRIDE
    whole = image[0, 0, : periods * PERIOD_ROWS, :width]
    return whole.reshape(periods, 1, PERIOD_ROWS, width)[:, :, :STRIP_ROWS]
