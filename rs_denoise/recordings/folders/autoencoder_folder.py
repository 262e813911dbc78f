"""Folders of the 2020 Denoise-Autoencoder, the predecessor of this project.

A frame is three files: res-NAME.png (depth, uint16 mm), left-NAME.png (infrared, 8 or 16 bit) and
gt-NAME.png (ground truth, uint16 mm). camera.json in the folder describes the camera. Without it a
D435 is assumed, which matters only to networks that work in disparity.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.recordings.folders.image_camera import assume_d435
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.images import read_png

DEPTH, INFRARED, TRUTH = "res-", "left-", "gt-"
CAMERA = "camera.json"


@dataclass(frozen=True)
class AutoencoderFrame:
    """One frame of such a folder; call it to read the images.

    Attributes:
        folder: of the files.
        name: of the frame: what follows the prefix in the names of its files.
    """

    folder: Path
    name: str

    @property
    def has_camera(self) -> bool:
        """Whether camera.json describes the camera."""
        return (self.folder / CAMERA).exists()

    def path(self, prefix: str) -> Path:
        """The file of one of the three images."""
        return self.folder / f"{prefix}{self.name}.png"

    def __call__(self) -> Frame:
        """Reads the frame; infrared and ground truth are None if their files are missing.

        Raises:
            RecordingError: an image cannot be decoded, or its size or type differs from depth's.
        """
        depth = _read_image(self.path(DEPTH), np.uint16, None)
        height, width = depth.shape
        known = self.has_camera
        camera = Camera.from_file(self.folder / CAMERA) if known else assume_d435(width, height)
        infrared = _read_optional(self.path(INFRARED), None, depth.shape)
        if infrared is not None and infrared.dtype == np.uint16:
            infrared = (infrared >> 8).astype(np.uint8)
        truth = _read_optional(self.path(TRUTH), np.uint16, depth.shape)
        return Frame(self.name, camera, depth, infrared, truth)


def find_autoencoder_frames(folder: Path) -> list[AutoencoderFrame]:
    """The frames of a folder, by name; none if the folder does not exist."""
    names = sorted(path.stem.removeprefix(DEPTH) for path in folder.glob(f"{DEPTH}*.png"))
    return [AutoencoderFrame(folder, name) for name in names]


def _read_optional(path: Path, dtype: type | None, shape: tuple[int, ...]) -> np.ndarray | None:
    return _read_image(path, dtype, shape) if path.exists() else None


def _read_image(path: Path, dtype: type | None, shape: tuple[int, ...] | None) -> np.ndarray:
    image = read_png(path)
    expected_types = (dtype,) if dtype else (np.uint8, np.uint16)
    if image.dtype not in expected_types or image.ndim != 2 or shape not in (None, image.shape):
        types = " or ".join(np.dtype(t).name for t in expected_types)
        size = "any size" if shape is None else f"{shape[1]}x{shape[0]} as its depth"
        raise RecordingError(
            f"{path}: expected one channel of {types}, {size}; got {image.dtype} of shape "
            f"{image.shape}"
        )
    return image
