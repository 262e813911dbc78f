"""Crops on disk, as the ancestor made them: to look at, and to train on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from rs_denoise.recordings.folders.autoencoder_folder import (
    DEPTH,
    INFRARED,
    TRUTH,
    AutoencoderFrame,
)
from rs_denoise.recordings.images import write_png

CROP_PX = 128
# The rim of a hole is as doubtful as the hole: ground truth is taken away this far around it.
MASK_REACH_PX = 3


def masked_truth(depth_mm: np.ndarray, truth_mm: np.ndarray) -> np.ndarray:
    """Ground truth [H, W] uint16 without what the camera did not see: there is nothing to learn."""
    seen = (depth_mm > 0).astype(np.uint8)
    return truth_mm * cv2.erode(seen, np.ones((MASK_REACH_PX, MASK_REACH_PX), np.uint8))


def cut(image: np.ndarray, side: int = CROP_PX) -> Iterator[tuple[int, int, np.ndarray]]:
    """Row, column and crop, side by side; the image is padded with 0 to whole crops."""
    height, width = image.shape
    bottom, right = -height % side, -width % side
    padded = np.pad(image, ((0, bottom), (0, right)))
    for row in range(padded.shape[0] // side):
        for column in range(padded.shape[1] // side):
            top, left = row * side, column * side
            yield row, column, padded[top : top + side, left : left + side]


def write_crops(triple: AutoencoderFrame, masked: Path, cropped: Path) -> int:
    """Writes a frame's masked ground truth, then crops of all three as PREFIX-NAME-ROW-COL.png.

    Returns:
        How many crops were written; 0 for a frame without ground truth.
    """
    frame = triple()
    if frame.ground_truth_mm is None:
        return 0
    truth = masked_truth(frame.depth_mm, frame.ground_truth_mm)
    write_png(masked / f"{TRUTH}{triple.name}.png", truth)
    infrared = frame.infrared
    if infrared is None:
        infrared = np.zeros(truth.shape, np.uint8)
    count = 0
    for prefix, image in ((TRUTH, truth), (INFRARED, infrared), (DEPTH, frame.depth_mm)):
        for row, column, crop in cut(image):
            write_png(cropped / f"{prefix}{triple.name}-{row}-{column}.png", crop)
            count += prefix == DEPTH
    return count
