"""PNG and JPEG images, in files and in memory; the size is checked before pixels are decoded."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from rs_denoise.recordings.frame import RecordingError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Twice the pixels of any depth camera; a PNG of a few bytes can claim far more.
MAX_PIXELS = 4096 * 4096
# Level 9 takes 660 ms for 180 kB of depth of 848x480; this level takes 23 ms for 194 kB.
PNG_LEVEL = 4
# Compression by type of image. The noise of infrared, and confidence, have no repetitions for zlib
# to find: without its search they take 10 instead of 160 ms, and are smaller than at level 9.
PNG_STRATEGIES = {
    np.dtype(np.uint8): cv2.IMWRITE_PNG_STRATEGY_RLE,
    np.dtype(np.uint16): cv2.IMWRITE_PNG_STRATEGY_FILTERED,
}


def read_png(path: Path) -> np.ndarray:
    """The pixels of a PNG, in the type of the file.

    Raises:
        RecordingError: it cannot be decoded, or has more pixels than any camera.
    """
    try:
        return decode_image(path.read_bytes())
    except (RecordingError, FileNotFoundError) as error:
        raise RecordingError(
            f"{path}: not a readable PNG ({error}); is the file truncated?"
        ) from None


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes a PNG.

    Raises:
        OSError: the file could not be written.
    """
    try:
        # Not cv2.imwrite, which does not notice that a disk is full.
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    except OSError as error:
        raise OSError(
            f"{path}: could not be written ({error}); is the disk full or the folder read-only?"
        ) from error


def encode_png(image: np.ndarray) -> bytes:
    """A PNG of [H, W] uint8 or uint16: nearly as small as possible, in a fraction of the time."""
    strategy = PNG_STRATEGIES[image.dtype]
    settings = [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL, cv2.IMWRITE_PNG_STRATEGY, strategy]
    return cv2.imencode(".png", image, settings)[1].tobytes()


def decode_image(data: bytes) -> np.ndarray:
    """The pixels of a PNG or JPEG, in the type of the file.

    Raises:
        RecordingError: it cannot be decoded, or has more pixels than any camera.
    """
    read_size(data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None:
        raise RecordingError("cannot be decoded")
    return image


def read_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG or JPEG, from its header alone.

    Raises:
        RecordingError: it is neither, or has more pixels than any camera.
    """
    image_file = PngImageFile if data.startswith(PNG_SIGNATURE) else JpegImageFile
    try:
        # Not Image.open, which only warns about some sizes that are too large.
        size = image_file(BytesIO(data)).size
    except (SyntaxError, OSError, ValueError):
        raise RecordingError("is neither PNG nor JPEG, or its header is damaged") from None
    return check_size(*size)


def check_size(width: int, height: int) -> tuple[int, int]:
    """Returns the size, if it is plausible.

    Raises:
        RecordingError: it has no pixel, or more than any camera.
    """
    if not (width > 0 and height > 0 and width * height <= MAX_PIXELS):
        raise RecordingError(
            f"claims {width}x{height} pixels, expected 1 to {MAX_PIXELS}: is it damaged?"
        )
    return width, height
