"""Headerless .raw images, as RealSense Viewer saves them: their size says what they are.

A file of depth (uint16, mm) is a frame. One whose name differs only in saying infrared, or left,
instead of depth or res holds its infrared (uint8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rs_denoise.recordings.folders.autoencoder_folder import TRUTH, assumed_camera
from rs_denoise.recordings.folders.frame_folder import write_png
from rs_denoise.recordings.frame import Frame, RecordingError

SUFFIX = ".raw"
SIZES = ((1280, 720), (848, 480), (640, 480))
DEPTH_WORD = re.compile(r"(?<![a-z])(depth|res)(?![a-z])-?", re.IGNORECASE)
INFRARED_WORD = re.compile(r"(?<![a-z])(infrared[ _]?1?|infra1|ir|left)(?![a-z])-?", re.IGNORECASE)


@dataclass(frozen=True)
class RawFrame:
    """One frame: the file of its depth, and that of its infrared if there is one."""

    depth: Path
    infrared: Path | None

    @property
    def name(self) -> str:
        """The depth file's, without its suffix."""
        return self.depth.stem

    def __call__(self) -> Frame:
        """Reads it, with the camera that is assumed for the ancestor's folders.

        Raises:
            RecordingError: a file has none of the sizes that it could have, or another than depth.
        """
        depth_mm = read_raw(self.depth)
        if depth_mm.dtype != np.uint16:
            raise RecordingError(f"{self.depth}: an image of 8 bit, depth has 16")
        infrared = read_raw(self.infrared) if self.infrared else None
        if infrared is not None and (infrared.dtype, infrared.shape) != (np.uint8, depth_mm.shape):
            raise RecordingError(
                f"{self.infrared}: {infrared.dtype} of shape {infrared.shape}, expected uint8 of "
                f"{depth_mm.shape} as {self.depth.name}"
            )
        return Frame(self.name, assumed_camera(*depth_mm.shape[::-1]), depth_mm, infrared)


def find_raw(path: Path) -> list[RawFrame]:
    """The frames of a folder of .raw files, by name, or that of one file; empty if there are none.

    Ground truth (gt-*.raw) is no frame.
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
    """[H, W] uint8 or uint16 of a file of one image.

    Raises:
        RecordingError: the file has none of the sizes that it could have.
    """
    length = path.stat().st_size
    for width, height in SIZES:
        for dtype in (np.uint16, np.uint8):
            if length == width * height * np.dtype(dtype).itemsize:
                image = np.fromfile(path, np.dtype(dtype).newbyteorder("<"))
                return image.astype(dtype).reshape(height, width)
    sizes = ", ".join(f"{w}x{h}" for w, h in SIZES)
    raise RecordingError(
        f"{path}: {length} bytes are no image of {sizes} with 8 or 16 bit: is it cut short?"
    )


def convert_raw(path: Path) -> Path:
    """Writes a PNG beside a .raw file of one image, 8 or 16 bit, whose size says which.

    Raises:
        RecordingError: the file has none of the sizes that it could have.
    """
    target = path.with_suffix(".png")
    write_png(target, read_raw(path))
    return target


def _is_infrared(path: Path) -> bool:
    return INFRARED_WORD.search(path.stem) is not None and not DEPTH_WORD.search(path.stem)
