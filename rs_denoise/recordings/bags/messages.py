"""Images, cameras and stamps out of messages of ROS 1 and ROS 2, as `rosbags` deserialises them.

Sizes that a message claims are checked before anything of that size is made.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.depth import to_uint16_mm
from rs_denoise.recordings.frame import RecordingError

IMAGE, COMPRESSED, INFO = (
    f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo")
)
DEPTH_TYPES = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
INFRARED_TYPES = {"mono8": "u1", "8UC1": "u1"}
# image_transport's compressedDepth: an enum and two floats before the PNG (unused for 16 bit).
DEPTH_HEADER = struct.pack("<iff", 0, 0.0, 0.0)
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
# Twice what any depth camera gives; a few bytes of PNG can claim far more.
MOST_PIXELS = 4096 * 4096
MILLIMETRE_M = 0.001
# D405 has 0.1 mm, short-range settings less; a metre a step is no depth camera.
LEAST_UNIT_M, MOST_UNIT_M = 1e-7, 0.1


def stamp_ns(header: Any) -> int:
    """The stamp of a header, in nanoseconds; 0 where its sender did not fill it in."""
    stamp = header.stamp
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def image_size(message: Any) -> tuple[int, int]:
    """Width and height of an image message, from its header alone.

    Raises:
        RecordingError: it is neither PNG nor JPEG, or has more pixels than any camera.
    """
    if message.__msgtype__ == COMPRESSED:
        return _encoded_size(_without_depth_header(bytes(message.data)))
    return _bounded(message.width, message.height)


def depth_mm(message: Any, unit_m: float = MILLIMETRE_M) -> np.ndarray:
    """Depth in millimetres out of an Image or a compressedDepth image.

    Args:
        message: Image of 16UC1 or mono16 (in `unit_m`) or 32FC1 (in metres, REP-118), or a
            CompressedImage that holds a PNG of 16 bit.
        unit_m: metres of one step; what a driver publishes is in millimetres.

    Returns:
        [H, W] uint16 mm; 0 where there is no depth, or more than 65.535 m.

    Raises:
        RecordingError: it cannot be decoded, or has another encoding.
    """
    if message.__msgtype__ == COMPRESSED:
        pixels = _decoded_depth(message)
    else:
        pixels = _raw(message, DEPTH_TYPES)
    if pixels.dtype.kind == "f":
        return to_uint16_mm(pixels * np.float32(1000.0))
    unit_m = float(f"{unit_m:.6g}")  # recorded as float32: 0.0001 is not quite that
    if unit_m == MILLIMETRE_M:
        return pixels.astype(np.uint16)
    if not LEAST_UNIT_M <= unit_m <= MOST_UNIT_M:
        raise RecordingError(f"its depth unit is {unit_m:g} m, expected about {MILLIMETRE_M} m")
    return to_uint16_mm(pixels * (unit_m * 1000.0))


def infrared(message: Any) -> np.ndarray:
    """[H, W] uint8 out of an Image of mono8 or 8UC1, or of a grey PNG or JPEG.

    Raises:
        RecordingError: it cannot be decoded, or has another encoding.
    """
    if message.__msgtype__ != COMPRESSED:
        return _raw(message, INFRARED_TYPES).copy()
    image = _decoded(bytes(message.data))
    if image.dtype != np.uint8 or image.ndim != 2:
        raise RecordingError(f"is no grey image of 8 bit (its format is '{message.format}')")
    return image


def camera(info: Any, baseline_m: float) -> Camera:
    """The camera of a camera_info.

    Raises:
        CameraError: no camera can have its values.
    """
    k = info.k if hasattr(info, "k") else info.K  # ROS 1 has capitals
    fx, fy, cx, cy = (float(value) for value in (k[0], k[4], k[2], k[5]))
    return Camera(info.width, info.height, fx, fy, cx, cy, baseline_m)


def baseline_m(info: Any) -> float | None:
    """The baseline out of the right imager's camera_info: its P[3] is -fx * baseline."""
    p = info.p if hasattr(info, "p") else info.P
    return float(-p[3] / p[0]) if p[0] > 0 and p[3] < 0 else None


def _raw(message: Any, types: dict[str, str]) -> np.ndarray:
    """[H, W] of an Image, with its step and byte order; bytes that follow the image are let be."""
    if message.encoding not in types:
        expected = " or ".join(f"'{name}'" for name in types)
        raise RecordingError(f"its encoding is '{message.encoding}', expected {expected}")
    width, height = _bounded(message.width, message.height)
    dtype = np.dtype(types[message.encoding]).newbyteorder(">" if message.is_bigendian else "<")
    row = width * dtype.itemsize
    if message.step < row:
        raise RecordingError(f"its step is {message.step} bytes, a row of it takes {row}")
    needed = message.step * (height - 1) + row
    if len(message.data) < needed:
        raise RecordingError(f"is cut off: it needs {needed} bytes, it has {len(message.data)}")
    data = np.ascontiguousarray(message.data, np.uint8)
    return np.ndarray((height, width), dtype, data.data, strides=(message.step, dtype.itemsize))


def _decoded_depth(message: Any) -> np.ndarray:
    if not message.format.startswith(("16UC1", "mono16")):
        raise RecordingError(
            f"its format is '{message.format}', expected 16UC1: metric depth is quantised in it; "
            "record the raw topic"
        )
    image = _decoded(_without_depth_header(bytes(message.data)))
    if image.dtype != np.uint16 or image.ndim != 2:
        raise RecordingError("is no depth image of 16 bit")
    return image


def _without_depth_header(data: bytes) -> bytes:
    start = len(DEPTH_HEADER)
    return data[start:] if data[start:].startswith(PNG) else data


def _decoded(data: bytes) -> np.ndarray:
    _encoded_size(data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None:
        raise RecordingError("cannot be decoded")
    return image


def _encoded_size(data: bytes) -> tuple[int, int]:
    """Width and height as the head of a PNG or JPEG says, before anything is allocated for it."""
    if data.startswith(PNG) and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return _bounded(width, height)
    if data.startswith(JPEG):
        return _bounded(*_jpeg_size(data))
    raise RecordingError("is neither PNG nor JPEG")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """From the first start-of-frame segment (ITU T.81, B.2.2)."""
    position = 2
    while position + 9 <= len(data):
        mark, kind, length = struct.unpack_from(">BBH", data, position)
        if mark != 0xFF:
            break
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        position += 2 + length
    raise RecordingError("cannot be decoded")


def _bounded(width: int, height: int) -> tuple[int, int]:
    if not (width > 0 and height > 0 and width * height <= MOST_PIXELS):
        raise RecordingError(
            f"claims {width}x{height} pixels, expected 1 to {MOST_PIXELS}: is it damaged?"
        )
    return width, height
