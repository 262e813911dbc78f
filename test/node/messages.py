"""Images and calibrations as a driver sends them and a consumer reads them."""

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from rs_denoise.camera_info import camera_info_fields


def pixels(message, dtype):
    """The image of a message, [H, W]."""
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width)


def shift(header: Header, ms: int) -> Header:
    """The header of so many milliseconds later."""
    stamp = header.stamp.sec * 1_000_000_000 + header.stamp.nanosec + ms * 1_000_000
    later = Header(frame_id=header.frame_id)
    later.stamp.sec, later.stamp.nanosec = divmod(stamp, 1_000_000_000)
    return later


def camera_info(camera, header, baseline_m: float = 0.0) -> CameraInfo:
    return CameraInfo(header=header, **camera_info_fields(camera, baseline_m))
