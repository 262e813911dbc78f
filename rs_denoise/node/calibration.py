"""The camera's calibration from its own topics."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from rs_denoise.camera import Camera, CameraError
from rs_denoise.camera_info import (
    MAX_SIDE_PX,
    baseline_from_info,
    baseline_from_translation,
    intrinsics_from_info,
)
from rs_denoise.camera_models import DEFAULT_BASELINE_M

# Depth and left infrared of a RealSense have exactly the same intrinsics.
MAX_FOCAL_DIFFERENCE, MAX_CENTRE_DIFFERENCE_PX = 0.01, 2.0
# Baselines of one type of camera differ by less than this fraction from camera to camera.
MAX_BASELINE_DIFFERENCE = 0.02
# What drivers call an imager in its frame_id. The camera's own name, as in
# rgbd_depth_optical_frame, may hold such a word too, but comes before it.
IMAGER = re.compile(r"depth|infra|(?P<colour>colou?r|rgb)", re.IGNORECASE)


class CameraCalibration:
    """The latest valid camera_info of depth, and the calibration from other topics.

    Attributes:
        rejection: why the latest camera_info was not used; None if it was.
        infrared_mismatch: why left infrared and depth do not correspond pixel by pixel; None if
            they do, or if it is unknown.
        baseline_from_topic_m: in metres; None until a topic provides it.
    """

    def __init__(self) -> None:
        self._info: CameraInfo | None = None
        self._left_info: CameraInfo | None = None
        self.rejection: str | None = None
        self.infrared_mismatch: str | None = None
        self.baseline_from_topic_m: float | None = None

    def update(self, info: CameraInfo) -> None:
        """Stores depth's camera_info; ignores an impossible one, with the reason in `rejection`."""
        self.rejection = _reject(info)
        if self.rejection is None:
            self._info = info
            self.infrared_mismatch = _compare(info, self._left_info)

    def update_from_left_info(self, info: CameraInfo) -> None:
        """Stores left infrared's camera_info, to compare it with depth's."""
        if _reject(info) is None:
            self._left_info = info
            self.infrared_mismatch = _compare(self._info, info)

    def update_from_right_info(self, info: CameraInfo) -> None:
        """Stores the baseline from the right imager's camera_info."""
        self._update_baseline(baseline_from_info(info))

    def update_from_extrinsics(self, extrinsics: Any) -> None:
        """Stores the baseline from realsense2_camera's Extrinsics between depth and infra2."""
        self._update_baseline(baseline_from_translation(extrinsics.translation))

    @property
    def known(self) -> bool:
        """Whether a valid camera_info has arrived."""
        return self._info is not None

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of depth images, px; None until a valid camera_info arrives."""
        return None if self._info is None else (self._info.width, self._info.height)

    def camera(self, baseline_m: float) -> Camera:
        """The camera, once it is known.

        Args:
            baseline_m: the user's; 0: use that of the topics, or else 50 mm.
        """
        assert self._info is not None
        baseline_m = baseline_m or self.baseline_from_topic_m or DEFAULT_BASELINE_M
        return Camera.from_camera_info(self._info, baseline_m)

    def compare_baseline(self, baseline_m: float) -> str | None:
        """A warning if the baseline of the user differs from the camera's; otherwise None."""
        camera_m = self.baseline_from_topic_m
        if not baseline_m or camera_m is None:
            return None
        if abs(baseline_m / camera_m - 1) <= MAX_BASELINE_DIFFERENCE:
            return None
        return (
            f"baseline_m (or camera_model) is {baseline_m:.4f} m, but the camera reports "
            f"{camera_m:.4f} m: {baseline_m:.4f} m is used, with which a model that compares both "
            "infrared images compares the wrong pixels; leave baseline_m out, or correct it"
        )

    def info(self, header: Header) -> CameraInfo:
        """The latest valid camera_info with the stamp and frame of an image."""
        info = copy.copy(self._info)
        assert info is not None
        info.header = header
        return info

    def _update_baseline(self, baseline_m: float | None) -> None:
        if baseline_m is not None:
            self.baseline_from_topic_m = baseline_m


def _reject(info: CameraInfo) -> str | None:
    if not (0 < info.width <= MAX_SIDE_PX and 0 < info.height <= MAX_SIDE_PX):
        return (
            f"camera_info has a size of {info.width}x{info.height}, expected 1 to {MAX_SIDE_PX} "
            "pixels: check the driver that sent it"
        )
    try:
        Camera.from_camera_info(info, DEFAULT_BASELINE_M)
    except CameraError:
        fx, fy, cx, cy = intrinsics_from_info(info)
        return (
            f"camera_info has focal lengths {fx}, {fy} and principal point {cx}, {cy}: calibrate "
            "or replug the camera"
        )
    return None


def _compare(depth: CameraInfo | None, infrared: CameraInfo | None) -> str | None:
    """Why two cameras do not correspond pixel by pixel; None if they do, or if it is unknown."""
    if depth is None:
        return None
    frame_id = depth.header.frame_id
    same_frame = infrared is not None and infrared.header.frame_id == frame_id
    if not same_frame and _is_of_colour(frame_id):
        return (
            f"depth is aligned to colour (frame {frame_id}) and infrared is not; denoise the "
            "camera's own depth/image_rect_raw, and align the result"
        )
    if infrared is None:
        return None
    sizes = [(info.width, info.height) for info in (depth, infrared)]
    return compare_sizes(*sizes) or _compare_intrinsics(depth, infrared)


def _is_of_colour(frame_id: str) -> bool:
    """Whether a frame is the colour camera's, by the last imager that its name mentions."""
    imagers = list(IMAGER.finditer(frame_id))
    return bool(imagers) and imagers[-1]["colour"] is not None


def compare_sizes(depth: tuple[int, int], infrared: tuple[int, int]) -> str | None:
    """Why an infrared image cannot be used with a depth image, by width and height in px."""
    if depth == infrared:
        return None
    sizes = "infrared is {}x{} and depth is {}x{}".format(*infrared, *depth)
    if depth == infrared[::-1]:
        return f"{sizes}: depth is rotated; set rotation_filter.enable of the camera to false"
    return (
        f"{sizes}: set decimation_filter.enable of the camera to false, and both streams to one "
        "profile"
    )


def _compare_intrinsics(depth: CameraInfo, infrared: CameraInfo) -> str | None:
    of_depth, of_infrared = (np.array(intrinsics_from_info(info)) for info in (depth, infrared))
    same_focal = np.abs(of_depth[:2] / of_infrared[:2] - 1).max() <= MAX_FOCAL_DIFFERENCE
    if same_focal and np.abs(of_depth[2:] - of_infrared[2:]).max() <= MAX_CENTRE_DIFFERENCE_PX:
        return None
    described = (
        "focal length {:.1f}, {:.1f} and principal point {:.1f}, {:.1f}".format(*intrinsics)
        for intrinsics in (of_infrared, of_depth)
    )
    return (
        "infrared has {} in its camera_info, depth has {}: is depth rotated, cropped or aligned "
        "to another camera?".format(*described)
    )
