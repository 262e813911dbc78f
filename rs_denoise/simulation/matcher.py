"""Stereo matching like the camera's: block costs, checks that invalidate, 1/16 to 1/32 px.

Intel's matcher is not public. The ones of `stereo` make errors of the same kinds, but more of
them: `match` therefore draws some of their errors towards the truth, which a simulation knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rs_denoise.simulation import stereo
from rs_denoise.simulation.presets import MAX_DISPARITY_PX
from rs_denoise.simulation.sensor import slow_error

ALGORITHMS = ("sgbm-3way", "sgbm", "census", "blocks")
GROSS_PX = 1.5
BLOB_PX = 3.5
# A hardware check finds most matches that belong to nothing nearby.
STRAY_REJECTED = 0.85
# How much of an error's whereabouts a still camera keeps from frame to frame.
PERSISTENCE = 0.9


@dataclass(frozen=True)
class Matcher:
    """One setting of the matcher; ranges are those of `random_matcher`.

    Attributes:
        algorithm: one of ALGORITHMS.
        block: window in px, odd.
        uniqueness: by how many percent the best match must win.
        speckle_px: smaller islands are removed.
        smooth_px: sigma of the smoothing of valid disparities, the ASIC's aggregation.
        error_scale: factor on errors below 1.5 px, for a matcher better than OpenCV's.
        rescued: share of gross errors and holes away from depth edges that are put right.
        edge_rescued, edge_rejected: shares of gross errors near depth edges that are put right,
            or made invalid as a stricter left-right check would.
        bias_px: the same for a whole frame, around zero over frames: a network must not learn it.
        steps_per_px: quantisation.
        seed: of where errors come and go; frames of one camera share most of it.
    """

    algorithm: str
    block: int
    uniqueness: int
    speckle_px: int
    smooth_px: float
    error_scale: float
    rescued: float
    edge_rescued: float
    edge_rejected: float
    bias_px: float
    steps_per_px: int
    seed: int


def random_matcher(rng: np.random.Generator) -> Matcher:
    """A matcher of the kind, between a strict and a lenient one."""
    return Matcher(
        algorithm=str(rng.choice(ALGORITHMS, p=[0.5, 0.25, 0.15, 0.1])),
        block=int(rng.choice([5, 7, 9, 11])),
        uniqueness=int(rng.integers(0, 5)),
        speckle_px=int(rng.choice([0, 30, 100, 200])),
        smooth_px=float(rng.uniform(0.8, 2.5)),
        error_scale=float(rng.uniform(0.45, 0.9)),
        rescued=float(rng.uniform(0.75, 1.0)),
        edge_rescued=float(rng.uniform(0.3, 0.6)),
        edge_rejected=float(rng.uniform(0.1, 0.4)),
        bias_px=float(rng.normal(0, 0.06)),
        steps_per_px=int(rng.choice([16, 32])),
        seed=int(rng.integers(2**31)),
    )


def match(
    left: np.ndarray,
    right: np.ndarray,
    true_disparity_px: np.ndarray,
    matcher: Matcher,
    rng: np.random.Generator,
) -> np.ndarray:
    """Disparity of the left image, [H, W] float32 px, 0 = invalid.

    Args:
        left, right: [H, W] float32 grey levels.
        true_disparity_px: [H, W] float32; used for `Matcher.error_scale`, `rescued` and `bias_px`
            only.
        matcher: its setting.
        rng: what differs from frame to frame.
    """
    disparity = _raw(left, right, matcher)
    disparity = _without_speckles(disparity, matcher.speckle_px)
    disparity = _smoothed(disparity, matcher.smooth_px)
    disparity = _drawn_to_truth(disparity, true_disparity_px, matcher, rng)
    disparity = np.where(disparity <= MAX_DISPARITY_PX, disparity, 0)
    return np.round(disparity * matcher.steps_per_px) / np.float32(matcher.steps_per_px)


def _raw(left: np.ndarray, right: np.ndarray, matcher: Matcher) -> np.ndarray:
    block, uniqueness = matcher.block, matcher.uniqueness
    if matcher.algorithm == "census":
        return stereo.census(left, right, max(block - 4, 3), uniqueness)
    if matcher.algorithm == "blocks":
        return stereo.block_matching(left, right, 2 * block + 1, uniqueness)
    return stereo.semi_global(left, right, block, uniqueness, full=matcher.algorithm == "sgbm")


def _without_speckles(disparity: np.ndarray, size_px: int) -> np.ndarray:
    if size_px == 0:
        return disparity
    steps = np.round(disparity * 16).astype(np.int16)
    cv2.filterSpeckles(steps, 0, size_px, 32)
    return np.where(steps > 0, disparity, 0)


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
    valid = disparity > 0
    error = np.where(valid, disparity - truth, 0.0)
    small = valid & (np.abs(error) < GROSS_PX)
    centre = float(np.median(error[small])) if small.any() else 0.0
    result = np.where(
        small, truth + matcher.error_scale * (error - centre) + matcher.bias_px, disparity
    )
    gross, hole = valid & ~small, ~valid
    stray = gross & ~_of_a_neighbour(disparity, truth)
    near_edge, paired = _near_edge(truth), _has_partner(truth)
    away = ~near_edge & paired
    fate = _blobs(truth.shape, matcher.seed, rng)
    wave = 0.15 * slow_error(truth.shape, matcher.seed) + matcher.bias_px
    rescued = _rescued(gross & away, matcher.rescued, fate)
    rescued |= _rescued(hole & away, matcher.rescued, fate)
    rescued |= gross & near_edge & paired & (fate < matcher.edge_rescued)
    rejected = gross & near_edge & (fate > 1 - matcher.edge_rejected)
    rejected |= stray & (fate > 1 - STRAY_REJECTED)
    return np.where(rescued, truth + wave, np.where(rejected, 0, result)).astype(np.float32)


def _blobs(shape: tuple[int, int], seed: int, rng: np.random.Generator) -> np.ndarray:
    """Uniform numbers in 0..1, alike within some 10 px: errors come and go in blobs."""
    field = np.zeros(shape, np.float32)
    for share, source in ((PERSISTENCE, np.random.default_rng(seed)), (1 - PERSISTENCE, rng)):
        layer = cv2.GaussianBlur(source.normal(size=shape).astype(np.float32), (0, 0), BLOB_PX)
        field += np.sqrt(share) * layer / layer.std()
    return 1 / (1 + np.exp(-1.702 * field))  # the normal distribution function, within 0.01


def _rescued(wrong: np.ndarray, share: float, fate: np.ndarray) -> np.ndarray:
    """The connected islands of `wrong` whose middle is fated to be put right."""
    _, labels, _, middles = cv2.connectedComponentsWithStats(wrong.astype(np.uint8))
    x, y = np.nan_to_num(middles).astype(int).T
    chosen = fate[y, x] < share
    chosen[0] = False
    return chosen[labels]


def _near_edge(disparity: np.ndarray, reach: int = 13) -> np.ndarray:
    gradient = cv2.morphologyEx(disparity, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    edge = (gradient > 0.04 * np.maximum(disparity, 1)).astype(np.uint8)
    return cv2.dilate(edge, np.ones((reach, reach), np.uint8)) > 0


def _of_a_neighbour(disparity: np.ndarray, truth: np.ndarray, reach: int = 21) -> np.ndarray:
    """Where the disparity is that of a surface within 10 px, up to 1.5 px: fattening."""
    kernel = np.ones((reach, reach), np.uint8)
    low, high = cv2.erode(truth, kernel) - GROSS_PX, cv2.dilate(truth, kernel) + GROSS_PX
    return (disparity > low) & (disparity < high)


def _has_partner(disparity: np.ndarray) -> np.ndarray:
    """Where the right imager sees the same column; the left band is never put right."""
    return np.arange(disparity.shape[1]) >= disparity + 4
