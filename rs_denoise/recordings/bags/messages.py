"""Reads images and stamps from messages of ROS 1 and ROS 2 that `rosbags` deserialised.

The size that a message claims is checked before anything of that size is allocated.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from rs_denoise.depth import MILLIMETRE_M, convert_units, metres_to_mm, to_uint16_mm
from rs_denoise.image_message import (
    DEPTH_TYPES,
    INFRARED_TYPES,
    ImageMessageError,
    list_encodings,
    view_pixels,
)
from rs_denoise.recordings.bags.rvl import decode_rvl, read_rvl_size
from rs_denoise.recordings.frame import MAX_STAMP_NS, RecordingError
from rs_denoise.recordings.images import PNG_SIGNATURE, check_size, decode_image, read_size

IMAGE, COMPRESSED, INFO = (
    f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo")
)
# image_transport's compressedDepth puts an enum and two floats before the PNG. For 16 bit, ROS 2
# does not set the floats: they hold whatever was in memory.
DEPTH_HEADER = struct.pack("<iff", 0, 0.0, 0.0)
# The depth unit of a D405 is 0.1 mm, with short-range settings less; no camera's is near a metre.
MIN_UNIT_M, MAX_UNIT_M = 1e-7, 0.1


def read_stamp_ns(header: Any) -> int:
    """The stamp of a header, in nanoseconds; 0 if its sender did not fill it in, or negative."""
    stamp = header.stamp
    stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
    return stamp_ns if 0 <= stamp_ns <= MAX_STAMP_NS else 0


def read_image_size(message: Any) -> tuple[int, int]:
    """Width and height of an image message, from its header alone.

    Raises:
        RecordingError: it is neither PNG nor JPEG, or has more pixels than any camera.
    """
    if message.__msgtype__ == COMPRESSED:
        data = bytes(message.data)
        if _is_rvl(message):
            return read_rvl_size(data[len(DEPTH_HEADER) :])
        return read_size(_strip_depth_header(data))
    return check_size(message.width, message.height)


def read_depth_mm(message: Any, unit_m: float = MILLIMETRE_M) -> np.ndarray:
    """Depth in millimetres of an Image or a compressedDepth image.

    Args:
        message: Image of 16UC1 or mono16 (in `unit_m`) or 32FC1 (in metres, REP-118), or a
            CompressedImage that holds a PNG of 16 bit or RVL.
        unit_m: depth unit in metres; drivers publish millimetres.

    Returns:
        [H, W] uint16 mm; 0 where there is no depth, or more than 65.535 m. float32 mm if the unit
        is finer than 1 mm, or if 32FC1 has pixels that are too close (negative) or where nothing is
        within range (+infinity), as REP 117 says: both are -infinity.

    Raises:
        RecordingError: it cannot be decoded, has another encoding, or another unit.
    """
    if message.__msgtype__ == COMPRESSED:
        pixels = _decode_depth(message)
    else:
        pixels = _view_pixels(message, DEPTH_TYPES)
    if pixels.dtype.kind == "f":
        return _metres_to_mm(pixels)
    if not MIN_UNIT_M <= unit_m <= MAX_UNIT_M:
        raise RecordingError(f"its depth unit is {unit_m:g} m, expected about {MILLIMETRE_M} m")
    return convert_units(pixels, unit_m)


def read_infrared(message: Any) -> np.ndarray:
    """Infrared, [H, W] uint8, of an Image of mono8 or 8UC1, or of a grey PNG or JPEG.

    Raises:
        RecordingError: it cannot be decoded, or has another encoding.
    """
    if message.__msgtype__ != COMPRESSED:
        return _view_pixels(message, INFRARED_TYPES).copy()
    image = decode_image(bytes(message.data))
    if image.dtype != np.uint8 or image.ndim != 2:
        raise RecordingError(f"is not a grey image of 8 bit (its format is '{message.format}')")
    return image


def _metres_to_mm(depth_m: np.ndarray) -> np.ndarray:
    depth_mm = to_uint16_mm(metres_to_mm(depth_m))
    measured = np.count_nonzero((depth_m > 0) & (depth_m < np.inf))
    # Not only half of them: a simulated sky may be at a finite distance.
    if 100 * np.count_nonzero(depth_mm) < measured:
        raise RecordingError(
            "nearly all of its pixels are farther than 65 m, which no camera measures: are "
            "millimetres stored as 32FC1, which holds metres?"
        )
    out_of_range = (depth_m < 0) | (depth_m == np.inf)
    return np.where(out_of_range, np.float32(-np.inf), depth_mm) if out_of_range.any() else depth_mm


def _view_pixels(message: Any, types: dict[str, np.dtype]) -> np.ndarray:
    if message.encoding not in types:
        raise RecordingError(
            f"its encoding is '{message.encoding}', expected {list_encodings(types)}"
        )
    check_size(message.width, message.height)
    try:
        return view_pixels(message, types[message.encoding])
    except ImageMessageError as error:
        raise RecordingError(str(error)) from None


def _decode_depth(message: Any) -> np.ndarray:
    data = bytes(message.data)
    if _is_quantised(message.format, data):
        raise RecordingError(
            f"its format is '{message.format}', expected 16UC1: metric depth is quantised in it; "
            "record the raw topic"
        )
    if _is_rvl(message):
        return decode_rvl(data[len(DEPTH_HEADER) :])
    image = decode_image(_strip_depth_header(data))
    if image.dtype != np.uint16 or image.ndim != 2:
        raise RecordingError("is not a depth image of 16 bit")
    return image


def _is_rvl(message: Any) -> bool:
    return message.format.endswith("compressedDepth rvl")


def _is_quantised(form: str, data: bytes) -> bool:
    """Whether it is metric depth, stored by the parameters in the header of compressedDepth."""
    encoding = form.partition(";")[0].strip()
    if encoding in DEPTH_TYPES:
        return DEPTH_TYPES[encoding].kind == "f"
    # Some senders write only "png", or no format: their header decides.
    if not data[len(DEPTH_HEADER) :].startswith(PNG_SIGNATURE):
        return False
    _, *parameters = struct.unpack_from("<iff", data)
    return any(parameters)


def _strip_depth_header(data: bytes) -> bytes:
    start = len(DEPTH_HEADER)
    return data[start:] if data[start:].startswith(PNG_SIGNATURE) else data
