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
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.random_access import FrameReader
from rs_denoise.training.augment import WRONG_MATCH_PX, Crop, Example, augment, prepare

# Pixels of a frame per pixel of a crop: crops as of 640x360 to 1280x720, from frames of 848x480.
ZOOM_RANGE = (0.75, 1.6)
# Columns of the right image that are kept next to a crop: matches are at most 126 px away.
MATCH_MARGIN_PX = 128
# Depth and ground truth whose median ratio is beyond this differ in unit, not by errors: the median
# pixel of a camera's depth is right to a few per cent even if a third of the pixels are wrong.
MAX_RATIO = 4.0
# Keys of a batch, as `Example` has them.
KEYS = ("disparity_px", "infrared", "truth_px", "surfaces_px", "evidence")

_log = logging.getLogger(__name__)


class UnusableFrame(ValueError):
    """A frame without ground truth, or with depth that is mostly wrong."""


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
        max_wrong_pct: frames with a larger percentage of wrong matches are skipped.

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
        max_wrong_pct: float = 100.0,
    ) -> None:
        self.readers, self.crop, self.crops_per_frame = readers, crop, crops_per_frame
        self.augment, self.seed, self.max_wrong_pct = augment, seed, max_wrong_pct
        self._unusable: set[int] = set()

    def __len__(self) -> int:
        return len(self.readers)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        whole, scale = self._read(index)
        rng = np.random.default_rng([self.seed, index])
        crops = [self._draw_crop(whole, rng) for _ in range(self.crops_per_frame)]
        varied = augment(crops, scale, rng) if self.augment else map(prepare, crops)
        examples = list(varied)
        batch = {key: _stack(examples, k) for k, key in enumerate(KEYS)}
        return batch | {"scale_px_mm": torch.full((self.crops_per_frame, 1, 1, 1), scale)}

    def check_usable(self, use: str) -> None:
        """Reads frames up to the first usable one; in a worker its error would be a traceback.

        Args:
            use: of the frames, for the message.

        Raises:
            UnusableFrame: there is none.
        """
        try:
            self._read(0)
        except (UnusableFrame, RecordingError, CameraError, OSError) as error:
            raise UnusableFrame(
                f"none of {len(self)} frames for {use} can be used; of the last one: {error}"
            ) from None

    def _read(self, index: int) -> tuple[Crop, float]:
        """Reads a frame and its fx * baseline; instead of an unusable one, the next usable one.

        Raises:
            UnusableFrame, RecordingError, CameraError, OSError: no frame is usable.
        """
        frames = len(self.readers)
        for number in (k % frames for k in range(index, index + frames)):
            if number in self._unusable:
                continue
            try:
                return self._read_usable(number)
            except (UnusableFrame, RecordingError, CameraError, OSError) as error:
                self._unusable.add(number)
                _log.warning("skipped a frame: %s", error)
                if len(self._unusable) == frames:
                    raise
        raise UnusableFrame("no frame is usable")

    def _read_usable(self, number: int) -> tuple[Crop, float]:
        frame = self.readers[number]()
        if frame.ground_truth_mm is None:
            raise UnusableFrame(f"{frame.name}: training needs ground truth, and it has none")
        scale = frame.camera.disparity_scale_px_mm
        truth = to_disparity_px(frame.ground_truth_mm, scale)
        disparity = to_disparity_px(frame.depth_mm, scale)
        _check_ground_truth(frame.name, disparity, truth)
        infrared = frame.infrared if frame.infrared is not None else np.zeros_like(frame.depth_mm)
        whole = Crop(disparity, infrared, truth, frame.infrared_right)
        wrong_pct = _wrong_matches_pct(whole) if self.max_wrong_pct < 100 else 0.0
        if wrong_pct > self.max_wrong_pct:
            raise UnusableFrame(
                f"{frame.name}: {wrong_pct:.0f} % of its depth is wrong, and max_wrong_pct is "
                f"{self.max_wrong_pct:g}"
            )
        return whole, scale

    def _draw_crop(self, whole: Crop, rng: np.random.Generator) -> Crop:
        height, width = whole.truth.shape
        zoom = rng.uniform(*ZOOM_RANGE) if self.augment and rng.random() < 0.5 else 1.0
        side = min(round(self.crop * zoom), height, width)
        top = int(rng.integers(0, height - side + 1))
        left = int(rng.integers(0, width - side + 1))
        return _cut(whole, top, left, side, self.crop)


def _cut(whole: Crop, top: int, left: int, side: int, size: int) -> Crop:
    """Cuts a square out of a frame and resamples it to `size`, as another resolution of the camera.

    Disparity scales with its pixels. The right image keeps the columns before the square that may
    contain its matches, in whole squares, so that both images are resampled in the same way.
    """
    factor = np.float32(size / side)
    window = np.s_[top : top + side, left : left + side]
    disparity, truth = (
        factor * cv2.resize(image[window], (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
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
    # Columns outside the frame are removed again, an even number of them.
    outside = 2 * int(np.ceil(max(-begin, 0) * factor / 2))
    return Crop(disparity, infrared, truth, np.ascontiguousarray(right[:, outside:]))


def _check_ground_truth(name: str, disparity: np.ndarray, truth: np.ndarray) -> None:
    """Raises UnusableFrame for no ground truth, nothing to compare it with, or another unit."""
    if not truth.any():
        raise UnusableFrame(f"{name}: its ground truth is 0 (unknown) at every pixel")
    both = (disparity > 0) & (truth > 0)
    if not both.any():
        raise UnusableFrame(f"{name}: no pixel has both depth and ground truth")
    ratio = float(np.median(disparity[both] / truth[both]))
    if not 1 / MAX_RATIO < ratio < MAX_RATIO:
        raise UnusableFrame(
            f"{name}: its ground truth is {ratio:.3g} times its depth (median): are both in mm, "
            "and of one camera?"
        )


def _wrong_matches_pct(whole: Crop) -> float:
    """Percentage of the valid pixels whose disparity matches no surface within 2 px in the image.

    Errors are in px of disparity, unlike the evaluation's gross errors: far away, 5 % of depth is
    within the noise.
    """
    disparity, truth = whole.disparity, whole.truth
    window = np.ones((5, 5), np.uint8)
    too_near = disparity > cv2.dilate(truth, window) + WRONG_MATCH_PX
    too_far = disparity < cv2.erode(truth, window) - WRONG_MATCH_PX
    both = (disparity > 0) & (truth > 0)
    return 100.0 * float((too_near | too_far)[both].mean()) if both.any() else 0.0


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
