"""A model of the stereo matcher of D400 cameras, fitted to their images.

The algorithm of Intel's D4 ASIC is not public, but its parameters are (the advanced mode of
librealsense: census 9x9, support regions whose arms end at a change of grey level, scan-line
penalties, second peak, left-right and median thresholds). A matcher with these components, run on
the two infrared images of a real camera, reproduces that camera's depth nearly pixel by pixel, as
`rs_denoise simulate --fidelity` measures. It uses only the two images, which cause its errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rs_denoise.simulation.presets import MAX_DISPARITY_PX

# A speckle is an island whose disparity differs from its surroundings by more than this.
SPECKLE_STEP_PX = 1.0
STEPS_PER_PX = 32


@dataclass(frozen=True)
class Matcher:
    """Settings of the matcher. The defaults fit real frames of the default preset.

    Attributes:
        blur_px: sigma of the filter before the census transform.
        census_margin: grey levels by which a neighbour must be darker.
        arm_px: longest arms of a support region, along rows and along columns.
        min_arm_px: shortest arms.
        arm_contrast: an arm ends where the grey level differs by more.
        step_penalty, jump_penalty: cost in bits of a change of disparity by one, and by more.
        second_peak: bits by which the best match must be better than the second best.
        left_right_px: the maximum difference to the right image's disparity.
        median_px: side of the median filter, 1 (none), 3 or 5.
        speckle_px: smaller islands are removed.
    """

    blur_px: float = 0.35
    census_margin: float = 0.02
    arm_px: tuple[int, int] = (8, 6)
    min_arm_px: int = 4
    arm_contrast: float = 10.0
    step_penalty: float = 0.45
    jump_penalty: float = 12.0
    second_peak: float = 3.8
    left_right_px: float = 0.65
    median_px: int = 5
    speckle_px: int = 800


# Ranges of the second peak and of the left-right difference, for thresholds as fitted to real
# frames, and for stricter ones. Of four cameras, two have about the default preset, one has high
# density (few checks, few holes) and one high accuracy (strict checks, many holes).
THRESHOLDS = {
    "fitted": (
        ((3.2, 4.6), (0.5, 0.8)),
        ((3.2, 4.6), (0.5, 0.8)),
        ((1.5, 3.2), (0.8, 1.1)),
        ((4.6, 8.0), (0.4, 0.5)),
    ),
    "strict": (
        ((6.2, 8.8), (0.45, 0.7)),
        ((6.2, 8.8), (0.45, 0.7)),
        ((3.0, 6.2), (0.7, 1.0)),
        ((8.8, 11.8), (0.35, 0.45)),
    ),
}


def random_matcher(rng: np.random.Generator, thresholds: str = "fitted") -> Matcher:
    """A variation of the default matcher: errors differ slightly by size, firmware and preset.

    Args:
        rng: the random numbers.
        thresholds: a key of THRESHOLDS.
    """
    presets = [
        (rng.uniform(*second_peak), rng.uniform(*left_right_px))
        for second_peak, left_right_px in THRESHOLDS[thresholds]
    ]
    second_peak, left_right_px = presets[rng.integers(len(presets))]
    return Matcher(
        blur_px=float(rng.uniform(0.3, 0.5)),
        census_margin=float(rng.uniform(0.0, 0.1)),
        arm_px=(int(rng.integers(6, 11)), int(rng.integers(5, 9))),
        min_arm_px=int(rng.integers(3, 6)),
        arm_contrast=float(rng.uniform(7, 14)),
        step_penalty=float(rng.uniform(0.3, 0.6)),
        jump_penalty=float(rng.uniform(7, 15)),
        second_peak=float(second_peak),
        left_right_px=float(left_right_px),
        median_px=int(rng.choice([3, 5])),
        speckle_px=int(rng.choice([200, 400, 800])),
    )


def match(left: np.ndarray, right: np.ndarray, matcher: Matcher) -> np.ndarray:
    """The disparity of the left image, as the camera would measure it.

    Args:
        left, right: [H, W] grey levels of 0 to 255 of a rectified pair, uint8 or float.
        matcher: its settings.

    Returns:
        [H, W] float32 px in steps of 1/32, at most MAX_DISPARITY_PX; 0 = invalid.

    Raises:
        ValueError: the images differ in size, or an arm is too long for the sums.
    """
    # Imported here, because importing Numba and loading compiled code takes time.
    from rs_denoise.simulation import cost_volume

    if left.shape != right.shape or left.ndim != 2:
        raise ValueError(
            f"expected two grey images of one size, got shapes {left.shape} and {right.shape}"
        )
    if max(matcher.arm_px) > cost_volume.MAX_ARM_PX:
        raise ValueError(f"arms reach at most {cost_volume.MAX_ARM_PX} px, got {matcher.arm_px}")
    left, right = (np.ascontiguousarray(image, np.float32) for image in (left, right))
    words = [
        cost_volume.census_transform(_blur(image, matcher.blur_px), matcher.census_margin)
        for image in (left, right)
    ]
    # Projected dots are textures, not edges: a median removes the faint ones.
    surfaces = cv2.medianBlur(left, 3)
    across, down = (
        cost_volume.support_arms(surfaces, step, matcher.min_arm_px, most, matcher.arm_contrast)
        for step, most in zip(((0, 1), (1, 0)), matcher.arm_px, strict=True)
    )
    step, jump, peak = (
        round(bits * cost_volume.UNITS_PER_BIT)
        for bits in (matcher.step_penalty, matcher.jump_penalty, matcher.second_peak)
    )
    disparity = cost_volume.match_rows(
        words[0], words[1], across, down, step, jump, peak, matcher.left_right_px
    )
    if matcher.median_px > 1:
        disparity = cv2.medianBlur(disparity, matcher.median_px)
    disparity = _remove_speckles(disparity, matcher.speckle_px)
    disparity = np.round(disparity * STEPS_PER_PX) / np.float32(STEPS_PER_PX)
    return np.where(disparity <= MAX_DISPARITY_PX, disparity, np.float32(0))


def _blur(image: np.ndarray, sigma_px: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma_px) if sigma_px > 0 else image


def _remove_speckles(disparity: np.ndarray, size_px: int) -> np.ndarray:
    steps = np.round(disparity * STEPS_PER_PX).astype(np.int16)
    cv2.filterSpeckles(steps, 0, size_px, SPECKLE_STEP_PX * STEPS_PER_PX)
    return np.where(steps > 0, disparity, np.float32(0))
