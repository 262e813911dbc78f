"""Whether the two infrared images show what depth was measured from.

A right image that does not belong to depth (swapped with the left one, of another moment, displaced
or covered, or compared with a wrong baseline) does not agree with the left one at the measured
disparity, so to a network that compares both images every pixel looks wrong: with swapped images
`unet` drops two thirds of the thin objects, with one that is 2 rows too low a quarter. With the
left image alone it keeps them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rs_denoise.matching import STRIDE, WINDOW, coarse_agreement, coarse_rows
from rs_denoise.window_filters import mean_filter

# The images are compared in strips of this many rows out of a period: a quarter of the image is
# enough. All are even.
STRIP_ROWS, PERIOD_ROWS, FIRST_ROW = 16, 64, 24
# Disparities next to the measured one, px, at which the images should agree less: farther away than
# the agreement reaches that a wide texture has at its own disparity.
DECOYS_PX = (6.0, 12.0, 18.0, 24.0)
# A smaller fraction of confirmed depth than this means that the images do not belong to it. By
# chance it is 0.2. Where they do, the least of 9 real frames is 0.88, and of 352 simulated ones
# 0.61; if they are swapped, the most of the real frames is 0.26.
# (Measured by a script that is not in this repository.)
MIN_CONFIRMED = 0.5
# With fewer samples than this the fraction is chance.
MIN_SAMPLES = 500


class ImageComparison(NamedTuple):
    """What comparing the images at the measured disparity shows.

    Attributes:
        confirmed: fraction of the samples, 0..1, at which the images agree better than at every
            decoy.
        shift_px: where the right image agrees best on average, as x and y from where it should:
            (0, 0), or 1 px to one side. A larger displacement looks like 1 px, too. Of 361 frames
            that belong to depth, 9 of them real, one had another shift than (0, 0); of 69 that were
            displaced by 1 row all had, by 1 column 67. Half a pixel is found in a third of the
            frames.
    """

    confirmed: float
    shift_px: tuple[int, int]


def compare_images(measured_px: Tensor, left: Tensor, right: Tensor) -> ImageComparison | None:
    """Compares the infrared images where depth says that they match, and around it.

    Args:
        measured_px: [1, 1, H, W] float32 disparity, 0 = invalid.
        left, right: [1, 1, H, W] float32 grey levels 0..255.

    Returns:
        None if too few pixels are measured to tell.
    """
    measured = _take_strips(measured_px)[..., ::STRIDE, ::STRIDE]
    column = torch.arange(measured.shape[-1], device=measured.device) * STRIDE
    # Only where the right image shows every candidate.
    samples = (measured > 0) & (measured + DECOYS_PX[-1] <= column)
    count = int(samples.sum())
    if count < MIN_SAMPLES:
        return None
    left_rows, right_rows = coarse_rows(_take_strips(left)), coarse_rows(_take_strips(right))
    # The rows between those of `right_rows`, beginning with the one before them.
    between = coarse_rows(_take_strips(right, FIRST_ROW - 1, STRIP_ROWS + STRIDE))
    # A right image 1 px to the right makes disparity look 1 px smaller.
    steps = (0.0, -1.0, 1.0, *DECOYS_PX)
    candidates = torch.cat([(measured + step) * measured.sign() for step in steps], dim=1)
    here = coarse_agreement(left_rows, right_rows, candidates)
    means = {
        (0, 0): here[:, :1],
        (1, 0): here[:, 1:2],
        (-1, 0): here[:, 2:3],
        (0, 1): coarse_agreement(left_rows, between[:, :, 1:], measured),
        (0, -1): coarse_agreement(left_rows, between[:, :, :-1], measured),
    }
    weight = samples.float()
    agreement = torch.stack([(shifted * weight).sum() for shifted in means.values()])
    in_windows = mean_filter(torch.cat([here[:, :1], here[:, 3:]], dim=1), WINDOW)
    confirmed = samples & (in_windows[:, :1] > in_windows[:, 1:].amax(dim=1, keepdim=True))
    best = list(means)[int(agreement.argmax())]
    return ImageComparison(int(confirmed.sum()) / count, best)


def explain_mismatch(comparison: ImageComparison, baseline_m: float) -> str | None:
    """Why the right image is not used, as a sentence for users; None if it belongs to depth."""
    confirmed, (right, down) = comparison
    if confirmed < MIN_CONFIRMED:
        return (
            f"both infrared images confirm {int(100 * confirmed)} % of depth, expected "
            f"{100 * MIN_CONFIRMED:.0f} % or more: are infra1 and infra2 swapped or of different "
            f"moments, is a lens covered, is depth rotated, or is the baseline not "
            f"{baseline_m:.4f} m?"
        )
    if down:
        return (
            f"the right infrared image is 1 px or more too {'low' if down > 0 else 'high'}: "
            "calibrate the camera"
        )
    if right:
        return (
            f"the right infrared image is 1 px or more too far to the "
            f"{'right' if right > 0 else 'left'} for the measured depth: calibrate the camera; or "
            f"is the baseline not {baseline_m:.4f} m?"
        )
    return None


def _take_strips(image: Tensor, first: int = FIRST_ROW, rows: int = STRIP_ROWS) -> Tensor:
    """[1, 1, H, W] as [N, 1, rows, W], W even: the rows from `first` on of each period."""
    periods, width = image.shape[-2] // PERIOD_ROWS, image.shape[-1] // STRIDE * STRIDE
    whole = image[0, 0, : periods * PERIOD_ROWS, :width]
    return whole.reshape(periods, 1, PERIOD_ROWS, width)[:, :, first : first + rows]
