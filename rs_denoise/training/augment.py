"""Crops varied in the ways in which real cameras vary, and err more than simulated ones.

All images of a crop are [S, S] float32.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

# fx * baseline of the cameras that one model serves: from the D405 to the D455 at 1280x720.
SCALES_PX_MM = (3_500, 70_000)
# Depth is in whole millimetres; enlarged by more, its steps would be seen.
MAX_FACTOR = 2.0
# Errors beyond this are another surface's disparity; below it, noise.
WRONG_MATCH_PX = 2.0
# A surface rises by less than this from pixel to pixel, an edge by more.
MAX_SLOPE = 0.2
# How much nearer a cut-out lies than what it is put before.
CUT_OUT_STEP_PX = (1.5, 30.0)


class Crop(NamedTuple):
    """What a network sees and what it is to say.

    Attributes:
        disparity: px, 0 = invalid.
        infrared: grey levels, 0 throughout = none.
        truth: px, 0 = unknown.
    """

    disparity: np.ndarray
    infrared: np.ndarray
    truth: np.ndarray


def augmented(crops: list[Crop], scale_px_mm: float, rng: np.random.Generator) -> list[Crop]:
    """The crops of one frame, varied; `scale_px_mm` is its camera's fx * baseline."""
    put_before = [
        _cut_out(crops[k - 1], crop, rng) if rng.random() < 0.15 else crop
        for k, crop in enumerate(crops)
    ]
    return [_varied(crop, scale_px_mm, rng) for crop in put_before]


def _varied(crop: Crop, scale_px_mm: float, rng: np.random.Generator) -> Crop:
    if rng.random() < 0.5:
        factor = np.exp(rng.uniform(*np.log(SCALES_PX_MM))) / scale_px_mm
        crop = _as_by_another_camera(crop, np.float32(min(factor, MAX_FACTOR)))
    disparity, infrared, truth = crop
    if rng.random() < 0.6:
        disparity = fattened(disparity, truth, rng)
    if rng.random() < 0.6:
        disparity = _wavy(disparity, rng)
    infrared = np.zeros_like(infrared) if rng.random() < 0.1 else _exposed(infrared, rng)
    # Up and down may be swapped; left and right may not: occlusion shadows lie on one side.
    flip = -1 if rng.random() < 0.5 else 1
    return Crop(
        *(np.ascontiguousarray(x[::flip], np.float32) for x in (disparity, infrared, truth))
    )


def fattened(disparity: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Patches where the nearer surface bridges a gap, or goes on past its edge.

    That is how a real camera errs: slots in chairs and gaps between leaves are closed, smoothly and
    without a hole, seven times out of eight towards near (`rs_denoise simulate --check`). The
    matchers of the simulator leave gaps open, or invalid.
    """
    bridged = rng.random() < 0.6
    reach = int(rng.integers(5, 36) if bridged else rng.integers(3, 13))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    how = cv2.MORPH_CLOSE if bridged else cv2.MORPH_DILATE
    nearer = cv2.morphologyEx(np.ascontiguousarray(truth), how, kernel)
    chosen = _patches(truth.shape, rng.uniform(4, 24), rng.uniform(-1.0, 1.0), rng)
    # Closing leaves slopes as they are, dilation lifts them.
    step = 1.0 if bridged else 0.5 + MAX_SLOPE * reach
    chosen &= (truth > 0) & (nearer - truth > step) & (bridged | (disparity > 0))
    smooth = cv2.GaussianBlur(nearer, (0, 0), rng.uniform(0.5, 3))
    return np.where(chosen, smooth, disparity)


def _cut_out(near: Crop, far: Crop, rng: np.random.Generator) -> Crop:
    """Pieces of one crop before another: bars and leaves with gaps between them, in plenty.

    The gaps are what a real camera bridges. Left of each piece lies its occlusion shadow, as wide
    as its disparity exceeds the background's.
    """
    if not (near.truth > 0).all() or not (far.truth > 0).all():
        return far
    step = rng.uniform(*CUT_OUT_STEP_PX)
    lift = np.float32(max(float((far.truth - near.truth).max()), 0.0) + step)
    shape = far.truth.shape
    pieces = (
        _bars(shape, rng) if rng.random() < 0.5 else _patches(shape, rng.uniform(3, 14), 0, rng)
    )
    width = max(round(float(np.median(near.truth + lift - far.truth))), 1)
    # The kernel's anchor at its left end: what has a piece to its right, within the width.
    shadow = cv2.dilate(
        pieces.astype(np.uint8), np.ones((1, width + 1), np.uint8), anchor=(0, 0)
    ).astype(bool)
    behind = np.where(shadow, 0, far.disparity)
    before = np.where(near.disparity > 0, near.disparity + lift, 0)
    return Crop(
        np.where(pieces, before, behind),
        np.where(pieces, near.infrared, far.infrared),
        np.where(pieces, near.truth + lift, far.truth),
    )


def _bars(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """[H, W] bool: parallel bars that bend a little, at any angle."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    across = x * np.cos(angle) + y * np.sin(angle)
    bend = rng.uniform(0, 12) * _noise(shape, rng.uniform(15, 40), rng)
    period, share = rng.uniform(8, 70), rng.uniform(0.3, 0.85)
    return ((across + bend) / period) % 1.0 < share


def _patches(
    shape: tuple[int, ...], size_px: float, threshold: float, rng: np.random.Generator
) -> np.ndarray:
    """[H, W] bool: blobs; a threshold of 0 takes half of the area, 1 a sixth."""
    return _noise(shape, size_px, rng) > threshold


def _noise(shape: tuple[int, ...], sigma_px: float, rng: np.random.Generator) -> np.ndarray:
    """[H, W] float32 of standard deviation 1, smooth over `sigma_px`."""
    noise = cv2.GaussianBlur(rng.normal(size=shape).astype(np.float32), (0, 0), sigma_px)
    return noise / max(float(noise.std()), 1e-6)


def _as_by_another_camera(crop: Crop, factor: np.float32) -> Crop:
    """Disparities `factor` times as large. Noise keeps its size in pixels; wrong matches do not."""
    disparity, infrared, truth = crop
    error = np.where((disparity > 0) & (truth > 0), disparity - truth, 0)
    noise = np.where(np.abs(error) < WRONG_MATCH_PX, error, 0)
    scaled = np.maximum(factor * (disparity - noise) + noise, 0)
    return Crop(scaled, infrared, factor * truth)


def _wavy(disparity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The waviness of real depth, at the scales that can be removed."""
    wave = rng.uniform(0.0, 0.25) * _noise(disparity.shape, rng.uniform(1.5, 12.0), rng)
    return np.where(disparity > 0, np.maximum(disparity + wave, 0.1), 0)


def _exposed(infrared: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another exposure and gamma."""
    gamma = np.exp(rng.normal(0, 0.2))
    gain = np.exp(rng.normal(0, 0.5))
    return np.clip(np.rint(255 * gain * (infrared / 255) ** gamma), 0, 255)
