"""The camera's calibration, as its own topics say it."""

from __future__ import annotations

import copy
from typing import Any

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from rs_denoise.camera import Camera, CameraError
from rs_denoise.camera_info import baseline_from_info, baseline_from_translation
from rs_denoise.camera_models import DEFAULT_BASELINE_M

# No depth camera has more; an image of this size still fits into memory.
MAX_SIDE_PX = 4096


class CameraCalibration:
    """The latest valid camera_info of depth, and the baseline if a topic says it.

    Attributes:
        refusal: why the latest camera_info was not taken; None if it was.
        baseline_from_topic_m: in metres; None while no topic has said it.
    """

    def __init__(self) -> None:
        self._info: CameraInfo | None = None
        self.refusal: str | None = None
        self.baseline_from_topic_m: float | None = None

    def update(self, info: CameraInfo) -> None:
        """Takes depth's camera_info; an impossible one is ignored, with the reason in `refusal`."""
        self.refusal = _refuse(info)
        if self.refusal is None:
            self._info = info

    def update_from_right_info(self, info: CameraInfo) -> None:
        """Takes the baseline from the right imager's camera_info."""
        self._update_baseline(baseline_from_info(info))

    def update_from_extrinsics(self, extrinsics: Any) -> None:
        """Takes the baseline from realsense2_camera's Extrinsics between depth and infra2."""
        self._update_baseline(baseline_from_translation(extrinsics.translation))

    @property
    def known(self) -> bool:
        """Whether a valid camera_info has arrived."""
        return self._info is not None

    def camera(self, baseline_m: float) -> Camera:
        """The camera, once it is known.

        Args:
            baseline_m: the user's; 0: that of the topics, or else 50 mm.
        """
        assert self._info is not None
        baseline_m = baseline_m or self.baseline_from_topic_m or DEFAULT_BASELINE_M
        return Camera.from_camera_info(self._info, baseline_m)

    def info(self, header: Header) -> CameraInfo:
        """The latest valid camera_info with the stamp and frame of an image."""
        info = copy.copy(self._info)
        assert info is not None
        info.header = header
        return info

    def _update_baseline(self, baseline_m: float | None) -> None:
        if baseline_m is not None:
            self.baseline_from_topic_m = baseline_m


def _refuse(info: CameraInfo) -> str | None:
    if not (0 < info.width <= MAX_SIDE_PX and 0 < info.height <= MAX_SIDE_PX):
        return (
            f"camera_info has a size of {info.width}x{info.height}, expected 1 to {MAX_SIDE_PX} "
            "pixels: check the driver that sent it"
        )
    try:
        Camera.from_camera_info(info, DEFAULT_BASELINE_M)
    except CameraError:
        return (
            f"camera_info has focal lengths {info.k[0]}, {info.k[4]} and principal point "
            f"{info.k[2]}, {info.k[5]}: calibrate or replug the camera"
        )
    return None
