"""Augmentation: varies crops the way real cameras differ, and adds errors that simulation lacks.

All images of a crop are [S, S] float32. Measured disparity is changed before matching evidence is
computed, so that the images contradict the errors.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch

from rs_denoise.matching import candidate_surfaces, matching_evidence

# fx * baseline of the cameras that one model serves: from the D405 to the D455 at 1280x720.
SCALES_PX_MM = (3_500, 70_000)
# Depth is in whole millimetres; with a larger factor the steps would be visible.
MAX_SCALE_FACTOR = 2.0
# Larger errors are disparities of another surface; smaller ones are noise.
WRONG_MATCH_PX = 2.0
# Disparity changes by less than this per pixel on a surface, and by more at an edge.
MAX_SLOPE = 0.2
# How much nearer a pasted piece is than its background.
PASTE_STEP_PX = (1.5, 30.0)
# Fraction of the crops whose edges are fattened beyond what the simulator's matcher did.
FATTENED = 0.2
# Fractions of the crops without any infrared, and without the right one.
NO_INFRARED, NO_RIGHT = 0.1, 0.25
# Fraction of the right images that are misaligned, as those of a camera that was knocked, and by
# how much at most, in x and y. From 1 px on they are not used (`rs_denoise.right_image_check`).
MISALIGNED, MISALIGNMENT_PX = 0.2, (1.0, 2.0)


class Crop(NamedTuple):
    """A part of a frame.

    Attributes:
        disparity: as measured, px, 0 = invalid.
        infrared: grey levels, all 0 = none.
        truth: true disparity, px, 0 = unknown.
        right: the same rows of the right infrared image, [S, margin + S] float32: the crop's own
            columns, and those before them that matches need, as far as the frame has them; or None.
    """

    disparity: np.ndarray
    infrared: np.ndarray
    truth: np.ndarray
    right: np.ndarray | None = None


class Example(NamedTuple):
    """A crop with its matching evidence, to train on.

    Attributes:
        disparity, infrared, truth: as of `Crop`, [1, S, S].
        surfaces, evidence: as of `rs_denoise.matching`, [C, S/2, S/2]; no evidence is all 0.
    """

    disparity: np.ndarray
    infrared: np.ndarray
    truth: np.ndarray
    surfaces: np.ndarray
    evidence: np.ndarray


def prepare(crop: Crop) -> Example:
    """Computes the inputs of a network from a crop."""
    disparity, left = (torch.from_numpy(x)[None, None] for x in (crop.disparity, crop.infrared))
    surfaces = candidate_surfaces(disparity)
    right = None if crop.right is None else torch.from_numpy(crop.right)[None, None]
    margin = 0 if right is None else right.shape[-1] - left.shape[-1]
    evidence = matching_evidence(disparity, surfaces, left, right, margin)
    images = (disparity[0], left[0], torch.from_numpy(crop.truth)[None], surfaces[0], evidence[0])
    return Example(*(image.numpy() for image in images))


def augment(crops: list[Crop], scale_px_mm: float, rng: np.random.Generator) -> list[Example]:
    """Varies the crops of one frame; `scale_px_mm` is fx * baseline of its camera."""
    pasted = [
        _copy_paste(crops[k - 1], crop, rng) if rng.random() < 0.15 else crop
        for k, crop in enumerate(crops)
    ]
    return [_vary(crop, scale_px_mm, rng) for crop in pasted]


def _vary(crop: Crop, scale_px_mm: float, rng: np.random.Generator) -> Example:
    # Flipped vertically only: occlusions are on the left side.
    flip = -1 if rng.random() < 0.5 else 1
    disparity, infrared, truth, right = (
        None if x is None else np.ascontiguousarray(x[::flip], np.float32) for x in crop
    )
    assert disparity is not None and infrared is not None and truth is not None
    if rng.random() < FATTENED:
        disparity = fatten_edges(disparity, truth, rng)
    if rng.random() < 0.6:
        disparity = _add_waves(disparity, rng)
    if rng.random() < NO_INFRARED:
        infrared, right = np.zeros_like(infrared), None
    elif rng.random() < NO_RIGHT:
        right = None
    elif right is not None and rng.random() < MISALIGNED:
        right = _misalign(right, rng)
    example = prepare(Crop(disparity, infrared, truth, right))
    if rng.random() < 0.5:
        factor = np.exp(rng.uniform(*np.log(SCALES_PX_MM))) / scale_px_mm
        example = _imitate_other_camera(example, np.float32(min(factor, MAX_SCALE_FACTOR)))
    return example._replace(infrared=_change_exposure(example.infrared, rng))


def fatten_edges(disparity: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lets the nearer surface bridge gaps, or extend beyond its edge, in random patches.

    Real cameras make these errors: gaps in chairs and between leaves are bridged smoothly, without
    a hole, in seven of eight cases towards near (`rs_denoise simulate --check`). The simulator's
    matcher makes them too; this adds more of them.
    """
    bridged = rng.random() < 0.6
    size = int(rng.integers(5, 36) if bridged else rng.integers(3, 13))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    operation = cv2.MORPH_CLOSE if bridged else cv2.MORPH_DILATE
    nearer = cv2.morphologyEx(np.ascontiguousarray(truth), operation, kernel)
    patch = _patches(truth.shape, rng.uniform(4, 24), rng.uniform(-1.0, 1.0), rng)
    # Closing does not change slopes; dilation raises them.
    step = 1.0 if bridged else 0.5 + MAX_SLOPE * size
    patch &= (truth > 0) & (nearer - truth > step) & (bridged | (disparity > 0))
    smooth = cv2.GaussianBlur(nearer, (0, 0), rng.uniform(0.5, 3))
    return np.where(patch, smooth, disparity)


def _misalign(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shifts an image by less than `MISALIGNMENT_PX`; its border is repeated."""
    x, y = rng.uniform(-1, 1, 2) * MISALIGNMENT_PX
    shift = np.array([[1, 0, x], [0, 1, y]])
    size = (image.shape[1], image.shape[0])
    return cv2.warpAffine(image, shift, size, borderMode=cv2.BORDER_REPLICATE)


def _copy_paste(near: Crop, far: Crop, rng: np.random.Generator) -> Crop:
    """Copy-paste augmentation: pastes bars or blobs of one crop in front of another.

    They have many gaps, which a real camera would bridge. Left of each piece is its occlusion
    shadow, whose width is the difference of its disparity and the background's. The result has no
    right image.
    """
    if not (near.truth > 0).all() or not (far.truth > 0).all():
        return far
    step = rng.uniform(*PASTE_STEP_PX)
    lift = np.float32(max(float((far.truth - near.truth).max()), 0.0) + step)
    shape = far.truth.shape
    pieces = (
        _bars(shape, rng) if rng.random() < 0.5 else _patches(shape, rng.uniform(3, 14), 0, rng)
    )
    width = max(round(float(np.median(near.truth + lift - far.truth))), 1)
    # The anchor is at the kernel's left end: this marks pixels with a piece within the width to
    # their right.
    shadow = cv2.dilate(
        pieces.astype(np.uint8), np.ones((1, width + 1), np.uint8), anchor=(0, 0)
    ).astype(bool)
    behind = np.where(shadow, 0, far.disparity)
    pasted = np.where(near.disparity > 0, near.disparity + lift, 0)
    return Crop(
        np.where(pieces, pasted, behind),
        np.where(pieces, near.infrared, far.infrared),
        np.where(pieces, near.truth + lift, far.truth),
    )


def _bars(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """[H, W] bool: parallel, slightly bent bars at a random angle."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    across = x * np.cos(angle) + y * np.sin(angle)
    bend = rng.uniform(0, 12) * _noise(shape, rng.uniform(15, 40), rng)
    period, fraction = rng.uniform(8, 70), rng.uniform(0.3, 0.85)
    return ((across + bend) / period) % 1.0 < fraction


def _patches(
    shape: tuple[int, ...], size_px: float, threshold: float, rng: np.random.Generator
) -> np.ndarray:
    """[H, W] bool: blobs; threshold 0 covers half of the area, 1 a sixth."""
    return _noise(shape, size_px, rng) > threshold


def _noise(shape: tuple[int, ...], sigma_px: float, rng: np.random.Generator) -> np.ndarray:
    """[H, W] float32 noise of standard deviation 1, smooth over `sigma_px`."""
    noise = cv2.GaussianBlur(rng.normal(size=shape).astype(np.float32), (0, 0), sigma_px)
    return noise / max(float(noise.std()), 1e-6)


def _imitate_other_camera(example: Example, factor: np.float32) -> Example:
    """Multiplies disparity by `factor`; noise keeps its size in px, wrong matches do not.

    The evidence is unchanged: it describes in px how far a match is from the best one.
    """
    disparity, truth = example.disparity, example.truth
    error = np.where((disparity > 0) & (truth > 0), disparity - truth, 0)
    noise = np.where(np.abs(error) < WRONG_MATCH_PX, error, 0)
    scaled = np.maximum(factor * (disparity - noise) + noise, 0)
    surfaces = candidate_surfaces(torch.from_numpy(scaled)[None])[0].numpy()
    return example._replace(disparity=scaled, truth=factor * truth, surfaces=surfaces)


def _add_waves(disparity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Adds smooth noise like that of real depth, at scales that a network can remove."""
    wave = rng.uniform(0.0, 0.25) * _noise(disparity.shape, rng.uniform(1.5, 12.0), rng)
    return np.where(disparity > 0, np.maximum(disparity + wave, np.float32(0.1)), 0)


def _change_exposure(infrared: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Changes exposure and gamma."""
    gamma = np.exp(rng.normal(0, 0.2))
    gain = np.exp(rng.normal(0, 0.5))
    changed = np.clip(np.rint(255 * gain * (infrared / 255) ** gamma), 0, 255)
    return changed.astype(np.float32)
