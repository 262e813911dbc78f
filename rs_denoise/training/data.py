"""Crops of frames with ground truth, varied in the ways in which real cameras vary."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from rs_denoise.recordings.readers import Reader

# fx * baseline of the cameras that one model serves: from the D405 to the D455 at 1280x720.
SCALES_PX_MM = (3_500, 70_000)
# Depth is in whole millimetres; enlarged by more, its steps would be seen.
LARGEST_FACTOR = 2.0
# A surface rises by less than this from pixel to pixel, an edge by more.
STEEPEST_SLOPE = 0.2
# Pixels of the data for one of a crop: from 640x360 to 1280x720, for data of 848x480.
ZOOMS = (0.75, 1.6)
# Errors beyond this are another surface's disparity; below it, noise.
WRONG_MATCH_PX = 2.0


class TruthMissing(ValueError):
    """A frame that cannot be learnt from."""


class CropDataset(Dataset):
    """Random crops of image folders, as dictionaries of [CROPS, 1, S, S] float32 tensors.

    Keys: `disparity_px` (0 = invalid), `infrared` (grey levels, all 0 = none), `truth_px`
    (0 = unknown), and `scale_px_mm` ([CROPS, 1, 1, 1], fx * baseline). A frame is decoded once for
    several crops: decoding costs as much as training.

    Args:
        readers: of frames with ground truth.
        crop: side of a crop in px.
        crops_per_frame: how many crops an item holds.
        augment: vary them; without it the crops are the same at every epoch.
        seed: of the crops and how they vary.

    An index beyond the number of frames is of a later epoch (see `EpochSampler`), so that a seed
    gives the same crops however many processes share them.
    """

    def __init__(
        self, readers: Sequence[Reader], crop: int, crops_per_frame: int, augment: bool, seed: int
    ) -> None:
        self.readers, self.crop, self.crops_per_frame = readers, crop, crops_per_frame
        self.augment, self.seed = augment, seed

    def __len__(self) -> int:
        return len(self.readers)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        frame = self.readers[index % len(self.readers)]()
        if frame.ground_truth_mm is None:
            raise TruthMissing(f"{frame.name}: training needs ground truth, and it has none")
        scale = frame.camera.disparity_scale_px_mm
        truth = _inverse(frame.ground_truth_mm, scale)
        disparity = _inverse(frame.depth_mm, scale)
        infrared = frame.infrared if frame.infrared is not None else np.zeros_like(frame.depth_mm)
        rng = np.random.default_rng([self.seed, index])
        crops = [
            self._one_crop(disparity, infrared.astype(np.float32), truth, scale, rng)
            for _ in range(self.crops_per_frame)
        ]
        names = ("disparity_px", "infrared", "truth_px")
        batch = {
            name: torch.from_numpy(np.stack([c[k] for c in crops])[:, None])
            for k, name in enumerate(names)
        }
        return batch | {"scale_px_mm": torch.full((self.crops_per_frame, 1, 1, 1), scale)}

    def _one_crop(
        self, disparity: np.ndarray, infrared: np.ndarray, truth: np.ndarray, scale: float, rng
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        height, width = truth.shape
        zoom = rng.uniform(*ZOOMS) if self.augment and rng.random() < 0.5 else 1.0
        side = min(round(self.crop * zoom), height, width)
        top = int(rng.integers(0, height - side + 1))
        left = int(rng.integers(0, width - side + 1))
        window = np.s_[top : top + side, left : left + side]
        crop = disparity[window], infrared[window], truth[window]
        if side != self.crop:
            crop = _zoomed(*crop, self.crop)
        return _augmented(*crop, scale, rng) if self.augment else crop


def _zoomed(
    disparity: np.ndarray, infrared: np.ndarray, truth: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As another resolution of the camera would see it; disparity is in its pixels."""
    share, size = side / len(truth), (side, side)
    disparity, truth = (
        np.float32(share) * cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
        for image in (disparity, truth)
    )
    return disparity, cv2.resize(infrared, size, interpolation=cv2.INTER_AREA), truth


def _augmented(
    disparity: np.ndarray,
    infrared: np.ndarray,
    truth: np.ndarray,
    scale: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if rng.random() < 0.5:
        factor = min(np.exp(rng.uniform(*np.log(SCALES_PX_MM))) / scale, LARGEST_FACTOR)
        disparity, truth = _as_by_another_camera(disparity, truth, np.float32(factor))
    if rng.random() < 0.7:
        disparity = _fattened(disparity, truth, rng)
    wave = np.zeros_like(disparity)
    if rng.random() < 0.6:  # the waviness of real depth, at the scales that can be removed
        sigma = rng.uniform(1.5, 8.0)
        wave = cv2.GaussianBlur(rng.normal(size=disparity.shape).astype(np.float32), (0, 0), sigma)
        wave *= rng.uniform(0.0, 0.15) / max(float(wave.std()), 1e-6)
    disparity = np.where(disparity > 0, np.maximum(disparity + wave, 0.1), 0)
    if rng.random() < 0.1:
        infrared = np.zeros_like(infrared)
    else:
        gamma = np.exp(rng.normal(0, 0.2))
        gain = np.exp(rng.normal(0, 0.5))
        infrared = np.clip(np.rint(255 * gain * (infrared / 255) ** gamma), 0, 255)
    # Up and down may be swapped; left and right may not: occlusion shadows lie on one side.
    flip = -1 if rng.random() < 0.5 else 1
    disparity, infrared, truth = (
        np.ascontiguousarray(image[::flip], np.float32) for image in (disparity, infrared, truth)
    )
    return disparity, infrared, truth


def _as_by_another_camera(
    disparity: np.ndarray, truth: np.ndarray, factor: np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """Disparities `factor` times as large. Noise keeps its size in pixels; wrong matches do not."""
    error = np.where((disparity > 0) & (truth > 0), disparity - truth, 0)
    noise = np.where(np.abs(error) < WRONG_MATCH_PX, error, 0)
    return np.maximum(factor * (disparity - noise) + noise, 0), factor * truth


def _fattened(disparity: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
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
    patches = cv2.GaussianBlur(
        rng.normal(size=truth.shape).astype(np.float32), (0, 0), rng.uniform(4, 24)
    )
    chosen = patches > rng.uniform(-1.0, 1.0) * patches.std()
    # Closing leaves slopes as they are, dilation lifts them.
    step = 1.0 if bridged else 0.5 + STEEPEST_SLOPE * reach
    chosen &= (truth > 0) & (nearer - truth > step) & (bridged | (disparity > 0))
    smooth = cv2.GaussianBlur(nearer, (0, 0), rng.uniform(0.5, 3))
    return np.where(chosen, smooth, disparity)


def _inverse(depth_mm: np.ndarray, scale: float) -> np.ndarray:
    depth = depth_mm.astype(np.float32)
    return np.where(depth > 0, np.float32(scale) / np.maximum(depth, 1), 0).astype(np.float32)


class EpochSampler(DistributedSampler):
    """A shuffle that says the epoch along with the index: epoch * frames + index."""

    def __iter__(self):
        frames = len(self.dataset)  # type: ignore[arg-type]
        return (self.epoch * frames + index for index in super().__iter__())
