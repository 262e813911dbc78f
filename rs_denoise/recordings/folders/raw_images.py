"""Headerless .raw images, as RealSense Viewer and rs-convert save them.

A file of depth (uint16, mm) is a frame. Its infrared (uint8) is the file whose name is the same
except for "infrared" or "left" in place of "depth" or "res"; "infrared 2" or "right" is the right
one. NAME_metadata.csv, which the Viewer writes next to NAME.raw, has size, intrinsics and stamp.
Without it the format is inferred from the file size, and a D435 is assumed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np

from rs_denoise.camera import Camera, CameraError
from rs_denoise.camera_models import PROFILES
from rs_denoise.recordings.folders.autoencoder_folder import TRUTH
from rs_denoise.recordings.folders.image_camera import assume_d435
from rs_denoise.recordings.frame import MAX_STAMP_NS, Frame, RecordingError
from rs_denoise.recordings.images import check_size, write_png

SUFFIX = ".raw"
# Profiles of D400 cameras, and these decimated by 2 or 3: no two have files of equal length.
SIZES = (*PROFILES, (320, 240), (256, 144))
DEPTH_WORD = re.compile(r"(?<![a-z])(depth|res)(?![a-z])-?", re.IGNORECASE)
RIGHT_WORD = re.compile(r"(?<![a-z])(infrared[ _]?2|infra2|right)(?![a-z])-?", re.IGNORECASE)
INFRARED_WORD = re.compile(r"(?<![a-z])(infrared[ _]?1?|infra1|ir|left)(?![a-z])-?", re.IGNORECASE)
COLOUR_WORD = re.compile(r"(?<![a-z])(colou?r|rgb)(?![a-z])", re.IGNORECASE)
# rs-convert puts the stamp in ms at the end of the name.
STAMP_MS = re.compile(r"_(\d{6,}(?:\.\d+)?)$")
MAX_METADATA_BYTES = 1 << 16


@dataclass(frozen=True)
class RawFrame:
    """One frame: its depth file and, if there are any, its infrared files; call it to read them."""

    depth: Path
    infrared: Path | None
    infrared_right: Path | None = None

    @property
    def name(self) -> str:
        """Name of the depth file without its suffix."""
        return self.depth.stem

    @property
    def has_intrinsics(self) -> bool:
        """Whether a metadata file has the intrinsics; the baseline is assumed in any case."""
        return _metadata_file(self.depth).exists()

    def __call__(self) -> Frame:
        """Reads the frame; what its files do not say about the camera is taken from a D435.

        Raises:
            RecordingError: a file has no known size, infrared has another size than depth, or the
                metadata file is damaged.
        """
        metadata = _read_metadata(self.depth)
        depth_mm = read_raw(self.depth)
        if depth_mm.dtype != np.uint16:
            raise RecordingError(f"{self.depth}: an image of 8 bit, expected depth of 16 bit")
        camera = assume_d435(*depth_mm.shape[::-1])
        return Frame(
            self.name,
            _read_camera(self.depth, metadata, camera) if metadata else camera,
            depth_mm,
            self._read_infrared(self.infrared, depth_mm.shape),
            infrared_right=self._read_infrared(self.infrared_right, depth_mm.shape),
            stamp_ns=_parse_stamp_ns(metadata.get("timestamp (ms)"), self.name),
        )

    def _read_infrared(self, path: Path | None, shape: tuple[int, ...]) -> np.ndarray | None:
        if path is None:
            return None
        infrared = read_raw(path)
        if (infrared.dtype, infrared.shape) != (np.uint8, shape):
            raise RecordingError(
                f"{path}: {infrared.dtype} of shape {infrared.shape}, expected uint8 of "
                f"{shape} as {self.depth.name}"
            )
        return infrared


def find_raw_frames(path: Path) -> list[RawFrame]:
    """The frames of a folder of .raw files, by name, or the frame of one file.

    Ground truth (gt-*.raw) and colour are not frames.
    """
    folder = path if path.is_dir() else path.parent
    visible = (file for file in folder.glob("*") if not file.name.startswith("."))
    files = sorted(file for file in visible if file.suffix.lower() == SUFFIX)
    right = {RIGHT_WORD.sub("", file.stem, count=1): file for file in files if _is_right(file)}
    infrared = {
        INFRARED_WORD.sub("", file.stem, count=1): file
        for file in files
        if _is_infrared(file) and not _is_right(file)
    }
    depths = {DEPTH_WORD.sub("", f.stem, count=1): f for f in files if _is_depth(f)}
    return [
        RawFrame(depth, infrared.get(key), right.get(key))
        for key, depth in depths.items()
        if path in (folder, depth)
    ]


def read_raw(path: Path) -> np.ndarray:
    """Reads a file of one image: [H, W] uint8 or uint16.

    Raises:
        RecordingError: the file has no known size, or another one than its metadata file says.
    """
    metadata = _read_metadata(path)
    sizes = [_read_size(path, metadata)] if metadata else SIZES
    length = path.stat().st_size
    for width, height in sizes:
        for dtype in (np.uint16, np.uint8):
            if length == width * height * np.dtype(dtype).itemsize:
                image = np.fromfile(path, np.dtype(dtype).newbyteorder("<"))
                return image.astype(dtype).reshape(height, width)
    listed = ", ".join(f"{w}x{h}" for w, h in sizes)
    raise RecordingError(
        f"{path}: {length} bytes, expected an image of {listed} with 8 or 16 bit; is it truncated?"
    )


def convert_raw(path: Path) -> Path:
    """Writes a PNG next to a .raw file; returns its path.

    Raises:
        RecordingError: the file has no known size.
    """
    target = path.with_suffix(".png")
    write_png(target, read_raw(path))
    return target


def _is_depth(path: Path) -> bool:
    if _names_depth(path):
        return not path.name.startswith(TRUTH)
    is_colour = COLOUR_WORD.search(path.stem) is not None
    return not (_is_infrared(path) or is_colour or path.name.startswith(TRUTH))


def _is_infrared(path: Path) -> bool:
    is_left = INFRARED_WORD.search(path.stem) is not None and not _names_depth(path)
    return is_left or _is_right(path)


def _is_right(path: Path) -> bool:
    return RIGHT_WORD.search(path.stem) is not None and not _names_depth(path)


def _names_depth(path: Path) -> bool:
    return DEPTH_WORD.search(path.stem) is not None


def _metadata_file(path: Path) -> Path:
    return path.with_name(f"{path.stem}_metadata.csv")


def _read_metadata(path: Path) -> dict[str, str]:
    """The lines "name,value" of the metadata file of a .raw file, names in lower case."""
    file = _metadata_file(path)
    if not file.exists():
        return {}
    with file.open("rb") as opened:
        text = opened.read(MAX_METADATA_BYTES).decode("utf-8-sig", errors="replace")
    lines = (line.partition(",") for line in text.splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in lines if value.strip()}


def _read_size(path: Path, metadata: dict[str, str]) -> tuple[int, int]:
    try:
        return check_size(int(metadata["resolution x"]), int(metadata["resolution y"]))
    except (KeyError, ValueError) as error:
        raise RecordingError(
            f"{_metadata_file(path)}: expected lines 'Resolution x,...' and 'Resolution y,...' "
            f"with whole numbers ({error!r}); remove it to have the size found by the file's length"
        ) from None


def _read_camera(path: Path, metadata: dict[str, str], assumed: Camera) -> Camera:
    try:
        fx, fy, cx, cy = (float(metadata[name]) for name in ("fx", "fy", "ppx", "ppy"))
        return replace(assumed, fx=fx, fy=fy, cx=cx, cy=cy)
    except (KeyError, ValueError, CameraError) as error:
        raise RecordingError(
            f"{_metadata_file(path)}: expected lines with numbers for Fx, Fy, PPx and PPy "
            f"({error!r}); remove it to have a D435 assumed"
        ) from None


def _parse_stamp_ns(text: str | None, name: str) -> int | None:
    """The stamp in ms of the metadata, or at the end of the file's name, in ns."""
    found = STAMP_MS.search(name)
    text = text or (found[1] if found else None)
    try:
        stamp_ns = int(Decimal(text).scaleb(6)) if text else 0
    except (ArithmeticError, ValueError):
        return None
    return stamp_ns if 0 < stamp_ns <= MAX_STAMP_NS else None
