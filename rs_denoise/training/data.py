"""Crops of frames with ground truth."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from rs_denoise.camera import CameraError
from rs_denoise.depth import to_disparity_px
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.random_access import FrameReader
from rs_denoise.training.augment import Crop, Example, augment, prepare

# Pixels of a frame per pixel of a crop: crops as of 640x360 to 1280x720, from frames of 848x480.
ZOOM_RANGE = (0.75, 1.6)
# So much of the right image is kept beside a crop: the camera's matches lie at most 126 px away.
MATCH_MARGIN_PX = 128
# Keys of a batch, as `Example` has them.
KEYS = ("disparity_px", "infrared", "truth_px", "surfaces_px", "evidence")

_log = logging.getLogger(__name__)


class TruthMissing(ValueError):
    """A frame without ground truth."""


class CropDataset(Dataset):
    """Random crops of frames, as dictionaries of [CROPS, 1, S, S] float32 tensors.

    Keys: `disparity_px` (0 = invalid), `infrared` (grey levels, all 0 = none), `truth_px`
    (0 = unknown), `surfaces_px` and `evidence` ([CROPS, C, S/2, S/2], see `rs_denoise.matching`),
    and `scale_px_mm` ([CROPS, 1, 1, 1], fx * baseline). Each frame is decoded once for several
    crops, because decoding takes as long as training.

    Args:
        readers: of frames with ground truth.
        crop: side of a crop in px.
        crops_per_frame: how many crops an item holds.
        augment: vary the crops; without it they are the same in every epoch.
        seed: of the crops and their augmentation.

    An index above the number of frames belongs to a later epoch (see `EpochSampler`), so that a
    seed gives the same crops however many processes share them.
    """

    def __init__(
        self,
        readers: Sequence[FrameReader],
        crop: int,
        crops_per_frame: int,
        augment: bool,
        seed: int,
    ) -> None:
        self.readers, self.crop, self.crops_per_frame = readers, crop, crops_per_frame
        self.augment, self.seed = augment, seed
        self._warned: set[str] = set()

    def __len__(self) -> int:
        return len(self.readers)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        frame, truth_mm = self._read(index)
        scale = frame.camera.disparity_scale_px_mm
        truth = to_disparity_px(truth_mm, scale)
        disparity = to_disparity_px(frame.depth_mm, scale)
        infrared = frame.infrared if frame.infrared is not None else np.zeros_like(frame.depth_mm)
        rng = np.random.default_rng([self.seed, index])
        whole = Crop(disparity, infrared, truth, frame.infrared_right)
        crops = [self._one_crop(whole, rng) for _ in range(self.crops_per_frame)]
        varied = augment(crops, scale, rng) if self.augment else map(prepare, crops)
        examples = list(varied)
        batch = {key: _stack(examples, k) for k, key in enumerate(KEYS)}
        return batch | {"scale_px_mm": torch.full((self.crops_per_frame, 1, 1, 1), scale)}

    def _read(self, index: int) -> tuple[Frame, np.ndarray]:
        """Reads a frame and its ground truth; instead of an unusable one the next, with a warning.

        Raises:
            TruthMissing, RecordingError, CameraError, OSError: no frame is usable.
        """
        for further in range(len(self.readers)):
            try:
                frame = self.readers[(index + further) % len(self.readers)]()
                if frame.ground_truth_mm is None:
                    raise TruthMissing(
                        f"{frame.name}: training needs ground truth, and it has none"
                    )
                return frame, frame.ground_truth_mm
            except (TruthMissing, RecordingError, CameraError, OSError) as error:
                if further == len(self.readers) - 1:
                    raise
                if str(error) not in self._warned:
                    _log.warning("skipped a frame: %s", error)
                    self._warned.add(str(error))
        raise AssertionError("no frames")

    def _one_crop(self, whole: Crop, rng: np.random.Generator) -> Crop:
        height, width = whole.truth.shape
        zoom = rng.uniform(*ZOOM_RANGE) if self.augment and rng.random() < 0.5 else 1.0
        side = min(round(self.crop * zoom), height, width)
        top = int(rng.integers(0, height - side + 1))
        left = int(rng.integers(0, width - side + 1))
        return _cut(whole, top, left, side, self.crop)


def _cut(whole: Crop, top: int, left: int, side: int, size: int) -> Crop:
    """Cuts a square out of a frame and resamples it to `size`, as another resolution of the camera.

    Disparity scales with its pixels. The right image keeps the columns before the square that its
    matches may lie in: whole squares of them, so that both images are resampled alike.
    """
    factor = np.float32(size / side)
    window = np.s_[top : top + side, left : left + side]
    disparity, truth = (
        factor * cv2.resize(image[window], (size, size), interpolation=cv2.INTER_NEAREST)
        for image in (whole.disparity, whole.truth)
    )
    infrared = _shrink(whole.infrared[window], size, size)
    if whole.right is None:
        return Crop(disparity, infrared, truth)
    squares = -(-MATCH_MARGIN_PX // size)
    begin = left - squares * side
    strip = whole.right[top : top + side, max(begin, 0) : left + side]
    strip = np.pad(strip, ((0, 0), (max(-begin, 0), 0)))
    right = _shrink(strip, (squares + 1) * size, size)
    # What lies outside of the frame goes again, an even number of columns.
    outside = 2 * int(np.ceil(max(-begin, 0) * factor / 2))
    return Crop(disparity, infrared, truth, np.ascontiguousarray(right[:, outside:]))


def _shrink(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resamples grey levels, to float32."""
    resampled = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return resampled.astype(np.float32)


def _stack(examples: list[Example], field: int) -> Tensor:
    return torch.from_numpy(np.stack([example[field] for example in examples]))


class EpochSampler(DistributedSampler):
    """Shuffles the frames and encodes the epoch in the index: epoch * frames + index."""

    def __iter__(self):
        frames = len(self.dataset)  # type: ignore[arg-type]
        return (self.epoch * frames + index for index in super().__iter__())
