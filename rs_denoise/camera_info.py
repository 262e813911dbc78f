"""Reads and makes the fields of sensor_msgs/CameraInfo. Imports no ROS.

The functions accept messages of rclpy, of `rosbags` and of ROS 1 (whose matrices have capital
names).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rs_denoise.camera import Camera

# No depth camera has larger images; one of this size still fits into memory.
MAX_SIDE_PX = 4096
# No robot's stereo camera has a larger baseline.
MAX_BASELINE_M = 1.0


def intrinsics_from_info(info: Any) -> tuple[float, float, float, float]:
    """Fx, fy, cx and cy of a camera_info.

    P describes rectified images, which depth and infrared are; K, the camera before rectification,
    is used if the driver does not fill in P.
    """
    k = info.k if hasattr(info, "k") else info.K
    p = info.p if hasattr(info, "p") else info.P
    values = (p[0], p[5], p[2], p[6]) if p[0] > 0 and p[5] > 0 else (k[0], k[4], k[2], k[5])
    fx, fy, cx, cy = (float(value) for value in values)
    return fx, fy, cx, cy


def baseline_from_info(info: Any) -> float | None:
    """The baseline in metres from the right imager's camera_info: its P[3] is -fx * baseline.

    Returns:
        None if P[3] is 0 or positive: the driver does not fill it in, or the camera_info is the
        left imager's.
    """
    p = info.p if hasattr(info, "p") else info.P
    if not p[0] > 0:
        return None
    baseline_m = float(-p[3] / p[0])
    return baseline_m if 0 < baseline_m < MAX_BASELINE_M else None


def baseline_from_translation(translation: Any) -> float | None:
    """The baseline in metres from the translation between the imagers; None if it is impossible."""
    length_m = math.hypot(*translation)
    return length_m if 0 < length_m < MAX_BASELINE_M else None


def camera_info_fields(camera: Camera, baseline_m: float = 0.0) -> dict[str, Any]:
    """The fields of an undistorted, rectified camera's camera_info, except for the header.

    Args:
        camera: the camera whose intrinsics are written.
        baseline_m: distance to the left imager: 0 for the left one, the baseline for the right.
    """
    c = camera
    return {
        "height": c.height,
        "width": c.width,
        "distortion_model": "plumb_bob",
        "d": [0.0] * 5,
        "k": [c.fx, 0.0, c.cx, 0.0, c.fy, c.cy, 0.0, 0.0, 1.0],
        "r": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "p": [c.fx, 0.0, c.cx, -c.fx * baseline_m, 0.0, c.fy, c.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    }
