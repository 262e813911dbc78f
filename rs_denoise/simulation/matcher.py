"""Stereo matching like the camera's: block costs, checks that invalidate, 1/16 to 1/32 px.

Intel's matcher is not public. OpenCV's semi-global one makes errors of the same kinds, but more of
them: `match` therefore draws some of its errors towards the truth, which a simulation knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rs_denoise.simulation.sensor import slow_error


@dataclass(frozen=True)
class Matcher:
    """One setting of the matcher; ranges are those of `random_matcher`.

    Attributes:
        block: window in px, odd.
        uniqueness: by how many percent the best match must win.
        full: all path directions instead of three (slower).
        speckle_px: smaller islands are removed.
        smooth_px: sigma of the smoothing of valid disparities, the ASIC's aggregation.
        error_scale: factor on errors below 1.5 px, for a matcher better than OpenCV's.
        rescued: share of gross errors and holes away from depth edges that are put right.
        edge_rescued, edge_rejected: shares of gross errors near depth edges that are put right,
            or made invalid as a stricter left-right check would.
        bias_px: the same for a whole frame, around zero over frames: a network must not learn it.
        steps_per_px: quantisation.
    """

    block: int
    uniqueness: int
    full: bool
    speckle_px: int
    smooth_px: float
    error_scale: float
    rescued: float
    edge_rescued: float
    edge_rejected: float
    bias_px: float
    steps_per_px: int


def random_matcher(rng: np.random.Generator) -> Matcher:
    """A matcher of the kind, between a strict and a lenient one."""
    return Matcher(
        block=int(rng.choice([5, 7, 9, 11])),
        uniqueness=int(rng.integers(0, 5)),
        full=bool(rng.random() < 0.3),
        speckle_px=int(rng.choice([0, 30, 100, 200])),
        smooth_px=float(rng.uniform(0.8, 2.5)),
        error_scale=float(rng.uniform(0.45, 0.9)),
        rescued=float(rng.uniform(0.8, 1.0)),
        edge_rescued=float(rng.uniform(0.25, 0.55)),
        edge_rejected=float(rng.uniform(0.1, 0.4)),
        bias_px=float(rng.normal(0, 0.06)),
        steps_per_px=int(rng.choice([16, 32])),
    )


def match(
    left: np.ndarray,
    right: np.ndarray,
    true_disparity_px: np.ndarray,
    max_disparity_px: int,
    matcher: Matcher,
    rng: np.random.Generator,
) -> np.ndarray:
    """Disparity of the left image, [H, W] float32 px, 0 = invalid.

    Args:
        left, right: [H, W] float32 grey levels.
        true_disparity_px: [H, W] float32, 0 = unknown; used for `Matcher.error_scale`,
            `rescued` and `bias_px` only.
        max_disparity_px: what is nearer finds no match; a multiple of 16.
    """
    disparity = _semi_global(left, right, max_disparity_px, matcher)
    disparity = _smoothed(disparity, matcher.smooth_px)
    disparity = _drawn_to_truth(disparity, true_disparity_px, matcher, rng)
    return np.round(disparity * matcher.steps_per_px) / np.float32(matcher.steps_per_px)


def _semi_global(left: np.ndarray, right: np.ndarray, count: int, matcher: Matcher) -> np.ndarray:
    # Padding to the left keeps the band that has no partner in the result, as cameras do.
    pair = [
        cv2.copyMakeBorder(_local_contrast(image), 0, 0, count, 0, cv2.BORDER_REPLICATE)
        for image in (left, right)
    ]
    weight = matcher.block**2
    sgbm = cv2.StereoSGBM_create(  # type: ignore[attr-defined]
        minDisparity=0,
        numDisparities=count,
        blockSize=matcher.block,
        P1=4 * weight,
        P2=24 * weight,
        disp12MaxDiff=1,
        uniquenessRatio=matcher.uniqueness,
        speckleWindowSize=matcher.speckle_px,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM if matcher.full else cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    disparity = sgbm.compute(*pair)[:, count:].astype(np.float32) / 16.0
    # A partner left of the right image's border is the padding's.
    has_partner = disparity <= np.arange(disparity.shape[1])
    return np.where((disparity > 0.5) & has_partner, disparity, 0.0)


def _local_contrast(image: np.ndarray, window: int = 31) -> np.ndarray:
    """The image with its local mean and contrast taken out, as uint8."""
    mean = cv2.blur(image, (window, window))
    spread = np.sqrt(np.maximum(cv2.blur(image * image, (window, window)) - mean**2, 0)) + 1.0
    return np.clip(128 + 40 * (image - mean) / spread, 0, 255).astype(np.uint8)


def _smoothed(disparity: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian over valid pixels, kept where it changes less than 0.6 px: edges stay."""
    valid = (disparity > 0).astype(np.float32)
    weight = cv2.GaussianBlur(valid, (0, 0), sigma)
    mean = cv2.GaussianBlur(disparity, (0, 0), sigma) / np.maximum(weight, 1e-6)
    small = (np.abs(mean - disparity) < 0.6) & (valid > 0)
    return np.where(small, mean, disparity)


def _drawn_to_truth(
    disparity: np.ndarray, truth: np.ndarray, matcher: Matcher, rng: np.random.Generator
) -> np.ndarray:
    known = truth > 0
    valid = (disparity > 0) & known
    if not valid.any():
        return disparity
    error = np.where(valid, disparity - truth, 0.0)
    small = valid & (np.abs(error) < 1.5)
    centre = float(np.median(error[small])) if small.any() else 0.0
    result = np.where(
        small, truth + matcher.error_scale * (error - centre) + matcher.bias_px, disparity
    )
    gross, hole = valid & ~small, (disparity == 0) & known
    near_edge, paired = _near_edge(truth), _has_partner(truth)
    away = ~near_edge & paired
    patch = _patches(truth.shape, rng)
    wave = 0.15 * slow_error(truth.shape, int(rng.integers(2**31))) + matcher.bias_px
    rescued = _rescued(gross & away, matcher.rescued, rng)
    rescued |= _rescued(hole & away, matcher.rescued, rng)
    rescued |= gross & near_edge & paired & (patch < matcher.edge_rescued)
    rejected = gross & near_edge & (patch > 1 - matcher.edge_rejected)
    return np.where(rescued, truth + wave, np.where(rejected, 0, result)).astype(np.float32)


def _patches(shape: tuple[int, int], rng: np.random.Generator, size: int = 8) -> np.ndarray:
    """A number in 0..1 for each patch of some 8 px: errors come and go in patches."""
    coarse = rng.random((shape[0] // size + 1, shape[1] // size + 1)).astype(np.float32)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_NEAREST)


def _rescued(wrong: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A random share of the connected islands of `wrong`."""
    count, labels = cv2.connectedComponents(wrong.astype(np.uint8))
    chosen = rng.random(count) < share
    chosen[0] = False
    return chosen[labels]


def _near_edge(disparity: np.ndarray, reach: int = 13) -> np.ndarray:
    gradient = cv2.morphologyEx(disparity, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    edge = (gradient > 0.04 * np.maximum(disparity, 1)).astype(np.uint8)
    return cv2.dilate(edge, np.ones((reach, reach), np.uint8)) > 0


def _has_partner(disparity: np.ndarray) -> np.ndarray:
    """Where the right imager sees the same column; the left band is never put right."""
    return np.arange(disparity.shape[1]) >= disparity + 4
