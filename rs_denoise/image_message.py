"""Reads the pixels of any object with the fields of sensor_msgs/Image. Imports no ROS."""

from __future__ import annotations

from typing import Any

import numpy as np

# NumPy types of the encodings of depth (mm, or m if float) and of infrared (grey levels).
DEPTH_TYPES: dict[str, np.dtype] = {
    "16UC1": np.dtype("u2"),
    "mono16": np.dtype("u2"),
    "32FC1": np.dtype("f4"),
}
INFRARED_TYPES: dict[str, np.dtype] = {"mono8": np.dtype("u1"), "8UC1": np.dtype("u1")}


class ImageMessageError(ValueError):
    """An Image whose fields are inconsistent; the message continues a sentence: "depth ..."."""


def view_pixels(message: Any, dtype: np.dtype) -> np.ndarray:
    """The pixels of an Image, [H, W], without a copy; respects its step and byte order.

    Args:
        message: from rclpy or `rosbags`.
        dtype: the type of a pixel in its encoding.

    Raises:
        ImageMessageError: the image has no pixels, or its step or data is too short.
    """
    width, height, step = message.width, message.height, message.step
    row = width * dtype.itemsize
    if width == 0 or height == 0:
        raise ImageMessageError(f"is {width}x{height}: an empty image")
    if step < row:
        raise ImageMessageError(
            f"has a step of {step} bytes, but {width} pixels of '{message.encoding}' take {row}: "
            "the driver that sent it is at fault"
        )
    needed = step * (height - 1) + row
    if len(message.data) < needed:
        raise ImageMessageError(
            f"is cut off: {width}x{height} with a step of {step} needs {needed} bytes, "
            f"got {len(message.data)}"
        )
    order: Any = ">" if message.is_bigendian else "<"
    buffer = memoryview(message.data).cast("B")
    return np.ndarray(
        (height, width), dtype.newbyteorder(order), buffer, strides=(step, dtype.itemsize)
    )


def list_encodings(types: dict[str, np.dtype]) -> str:
    """The encodings as a phrase for error messages."""
    return " or ".join(f"'{encoding}'" for encoding in types)
