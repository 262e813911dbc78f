"""Headerless .raw images, as RealSense Viewer saves them. The size of a file gives its format.

A file of depth (uint16, mm) is a frame. Its infrared (uint8) is the file whose name is the same but
for "infrared" or "left" in the place of "depth" or "res".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rs_denoise.recordings.folders.assumed_camera import assume_d435
from rs_denoise.recordings.folders.autoencoder_folder import TRUTH
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.images import write_png

SUFFIX = ".raw"
SIZES = ((1280, 720), (848, 480), (640, 480))
DEPTH_WORD = re.compile(r"(?<![a-z])(depth|res)(?![a-z])-?", re.IGNORECASE)
INFRARED_WORD = re.compile(r"(?<![a-z])(infrared[ _]?1?|infra1|ir|left)(?![a-z])-?", re.IGNORECASE)


@dataclass(frozen=True)
class RawFrame:
    """One frame: its depth file and, if there is one, its infrared file; call it to read them."""

    depth: Path
    infrared: Path | None

    @property
    def name(self) -> str:
        """Name of the depth file without its suffix."""
        return self.depth.stem

    def __call__(self) -> Frame:
        """Reads the frame, with the camera of a D435.

        Raises:
            RecordingError: a file has no known size, or infrared has another size than depth.
        """
        depth_mm = read_raw(self.depth)
        if depth_mm.dtype != np.uint16:
            raise RecordingError(f"{self.depth}: an image of 8 bit, expected depth of 16 bit")
        infrared = read_raw(self.infrared) if self.infrared else None
        if infrared is not None and (infrared.dtype, infrared.shape) != (np.uint8, depth_mm.shape):
            raise RecordingError(
                f"{self.infrared}: {infrared.dtype} of shape {infrared.shape}, expected uint8 of "
                f"{depth_mm.shape} as {self.depth.name}"
            )
        return Frame(self.name, assume_d435(*depth_mm.shape[::-1]), depth_mm, infrared)


def find_raw_frames(path: Path) -> list[RawFrame]:
    """The frames of a folder of .raw files, by name, or the frame of one file.

    Ground truth (gt-*.raw) is not a frame.
    """
    folder = path if path.is_dir() else path.parent
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() == SUFFIX)
    infrared = {
        INFRARED_WORD.sub("", file.stem, count=1): file for file in files if _is_infrared(file)
    }
    depths = [f for f in files if not _is_infrared(f) and not f.name.startswith(TRUTH)]
    return [
        RawFrame(depth, infrared.get(DEPTH_WORD.sub("", depth.stem, count=1)))
        for depth in depths
        if path in (folder, depth)
    ]


def read_raw(path: Path) -> np.ndarray:
    """Reads a file of one image: [H, W] uint8 or uint16.

    Raises:
        RecordingError: the file has no known size.
    """
    length = path.stat().st_size
    for width, height in SIZES:
        for dtype in (np.uint16, np.uint8):
            if length == width * height * np.dtype(dtype).itemsize:
                image = np.fromfile(path, np.dtype(dtype).newbyteorder("<"))
                return image.astype(dtype).reshape(height, width)
    sizes = ", ".join(f"{w}x{h}" for w, h in SIZES)
    raise RecordingError(
        f"{path}: {length} bytes, expected an image of {sizes} with 8 or 16 bit; is it truncated?"
    )


def convert_raw(path: Path) -> Path:
    """Writes a PNG beside a .raw file; gives its path.

    Raises:
        RecordingError: the file has no known size.
    """
    target = path.with_suffix(".png")
    write_png(target, read_raw(path))
    return target


def _is_infrared(path: Path) -> bool:
    return INFRARED_WORD.search(path.stem) is not None and not DEPTH_WORD.search(path.stem)
