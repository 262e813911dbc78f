"""Crops of frames on disk, as the Denoise-Autoencoder of 2020 wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from rs_denoise.recordings.folders.autoencoder_folder import DEPTH, INFRARED, TRUTH
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.images import write_png

CROP_PX = 128
# Pixels next to a hole are uncertain too: ground truth is masked within this window around it.
MASK_WINDOW_PX = 3


def mask_truth(depth_mm: np.ndarray, truth_mm: np.ndarray) -> np.ndarray:
    """Sets ground truth [H, W] uint16 to 0 in and around holes of the measured depth."""
    valid = (depth_mm > 0).astype(np.uint8)
    return truth_mm * cv2.erode(valid, np.ones((MASK_WINDOW_PX, MASK_WINDOW_PX), np.uint8))


def cut_into_crops(image: np.ndarray, side: int = CROP_PX) -> Iterator[tuple[int, int, np.ndarray]]:
    """Gives row, column and image of each crop; the frame is padded with 0 to whole crops."""
    height, width = image.shape
    bottom, right = -height % side, -width % side
    padded = np.pad(image, ((0, bottom), (0, right)))
    for row in range(padded.shape[0] // side):
        for column in range(padded.shape[1] // side):
            top, left = row * side, column * side
            yield row, column, padded[top : top + side, left : left + side]


def write_crops(frame: Frame, masked: Path, cropped: Path) -> int:
    """Writes a frame's masked ground truth, then crops of all images as PREFIX-NAME-ROW-COL.png.

    Args:
        frame: with ground truth; missing infrared is black.
        masked, cropped: existing folders for the masked ground truth and for the crops.

    Returns:
        How many crops were written of each image.
    """
    assert frame.ground_truth_mm is not None
    truth = mask_truth(frame.depth_mm, frame.ground_truth_mm)
    write_png(masked / f"{TRUTH}{frame.name}.png", truth)
    infrared = frame.infrared
    if infrared is None:
        infrared = np.zeros(truth.shape, np.uint8)
    count = 0
    for prefix, image in ((TRUTH, truth), (INFRARED, infrared), (DEPTH, frame.depth_mm)):
        for row, column, crop in cut_into_crops(image):
            write_png(cropped / f"{prefix}{frame.name}-{row}-{column}.png", crop)
            count += prefix == DEPTH
    return count
