"""The ancestor's folders: res-NAME.png (depth), left-NAME.png (infrared), gt-NAME.png (truth).

Depth is uint16 mm, infrared 8 or 16 bit. A camera.json in the folder says which camera; without it
a D435 is assumed, which matters only for networks that work in disparity.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.recordings.folders.frame_folder import read_png
from rs_denoise.recordings.frame import Frame, RecordingError

DEPTH, INFRARED, TRUTH = "res-", "left-", "gt-"
CAMERA = "camera.json"
# fx / width of a D435, and its baseline.
ASSUMED_FOCAL, ASSUMED_BASELINE_M = 0.501, 0.05


@dataclass(frozen=True)
class Triple:
    """One frame of such a folder, `name` being what follows the prefix."""

    folder: Path
    name: str

    def path(self, prefix: str) -> Path:
        """The file of one of the three images."""
        return self.folder / f"{prefix}{self.name}.png"

    def __call__(self) -> Frame:
        """Reads it; infrared and ground truth are None where their file is missing.

        Raises:
            RecordingError: an image cannot be decoded or has another size or type than its depth.
        """
        depth = _image(self.path(DEPTH), np.uint16, None)
        height, width = depth.shape
        camera_file = self.folder / CAMERA
        known = camera_file.exists()
        camera = Camera.from_json(camera_file) if known else assumed_camera(width, height)
        infrared = _optional(self.path(INFRARED), None, depth.shape)
        if infrared is not None and infrared.dtype == np.uint16:
            infrared = (infrared >> 8).astype(np.uint8)
        truth = _optional(self.path(TRUTH), np.uint16, depth.shape)
        return Frame(self.name, camera, depth, infrared, truth)


def find_triples(folder: Path) -> list[Triple]:
    """The frames of a folder, by name; empty if there are none or there is no such folder."""
    names = sorted(path.stem.removeprefix(DEPTH) for path in folder.glob(f"{DEPTH}*.png"))
    return [Triple(folder, name) for name in names]


def assumed_camera(width: int, height: int) -> Camera:
    """A D435, for images of which nothing says what took them."""
    fx = ASSUMED_FOCAL * width
    return Camera(width, height, fx, fx, (width - 1) / 2, (height - 1) / 2, ASSUMED_BASELINE_M)


def _optional(path: Path, dtype: type | None, shape: tuple[int, ...]) -> np.ndarray | None:
    return _image(path, dtype, shape) if path.exists() else None


def _image(path: Path, dtype: type | None, shape: tuple[int, ...] | None) -> np.ndarray:
    image = read_png(path)
    wanted_type = (dtype,) if dtype else (np.uint8, np.uint16)
    if image.dtype not in wanted_type or image.ndim != 2 or shape not in (None, image.shape):
        types = " or ".join(np.dtype(t).name for t in wanted_type)
        size = "any size" if shape is None else f"{shape[1]}x{shape[0]} as its depth"
        raise RecordingError(
            f"{path}: expected one channel of {types}, {size}; got {image.dtype} of shape "
            f"{image.shape}"
        )
    return image
