"""The ancestor's folders: res-NAME.png (depth), left-NAME.png (infrared), gt-NAME.png (truth).

Depth is uint16 mm, infrared 8 or 16 bit. A camera.json in the folder says which camera; without it
a D435 is assumed, which matters only for networks that work in disparity.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.image_folder import write_png

DEPTH, INFRARED, TRUTH = "res-", "left-", "gt-"
# fx / width of a D435, and its baseline.
ASSUMED_FOCAL, ASSUMED_BASELINE_M = 0.501, 0.05
RAW_SIZES = ((1280, 720), (848, 480), (640, 480))


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
        camera_file = self.folder / "camera.json"
        fx = ASSUMED_FOCAL * width
        camera = (
            Camera.from_json(camera_file)
            if camera_file.exists()
            else Camera(
                width, height, fx, fx, (width - 1) / 2, (height - 1) / 2, ASSUMED_BASELINE_M
            )
        )
        infrared = _optional(self.path(INFRARED), None, depth.shape)
        if infrared is not None and infrared.dtype == np.uint16:
            infrared = (infrared >> 8).astype(np.uint8)
        truth = _optional(self.path(TRUTH), np.uint16, depth.shape)
        return Frame(self.name, camera, depth, infrared, truth)


def find_triples(folder: Path) -> list[Triple]:
    """The frames of a folder, by name; empty if there are none or there is no such folder."""
    names = sorted(path.stem.removeprefix(DEPTH) for path in folder.glob(f"{DEPTH}*.png"))
    return [Triple(folder, name) for name in names]


def convert_raw(path: Path) -> Path:
    """Writes a PNG beside a .raw file of one image, 8 or 16 bit, whose size says which.

    Raises:
        RecordingError: the file has none of the sizes that it could have.
    """
    data = path.read_bytes()
    for width, height in RAW_SIZES:
        for dtype in (np.uint16, np.uint8):
            if len(data) == width * height * np.dtype(dtype).itemsize:
                image = np.frombuffer(data, np.dtype(dtype).newbyteorder("<"))
                target = path.with_suffix(".png")
                write_png(target, image.astype(dtype).reshape(height, width))
                return target
    sizes = ", ".join(f"{w}x{h}" for w, h in RAW_SIZES)
    raise RecordingError(
        f"{path}: {len(data)} bytes are no image of {sizes} with 8 or 16 bit: is it cut short?"
    )


def _optional(path: Path, dtype: type | None, shape: tuple[int, ...]) -> np.ndarray | None:
    return _image(path, dtype, shape) if path.exists() else None


def _image(path: Path, dtype: type | None, shape: tuple[int, ...] | None) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise RecordingError(f"{path}: not a readable PNG; is the file truncated?")
    wanted_type = (dtype,) if dtype else (np.uint8, np.uint16)
    if image.dtype not in wanted_type or image.ndim != 2 or shape not in (None, image.shape):
        types = " or ".join(np.dtype(t).name for t in wanted_type)
        size = "any size" if shape is None else f"{shape[1]}x{shape[0]} as its depth"
        raise RecordingError(
            f"{path}: expected one channel of {types}, {size}; got {image.dtype} of shape "
            f"{image.shape}"
        )
    return image
