"""What people use today: librealsense's post-processing and OpenCV's filters.

librealsense runs itself, through its software device. Temporal filters are not among them: frames
with ground truth stand alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.recordings.frame import Frame

# [H, W] uint16 mm of a frame, filtered.
Filter = Callable[[Frame], np.ndarray]
FARTHEST, NEAREST = 1, 2
BILATERAL_PX, BILATERAL_STEP_PX = 3.0, 0.6


class BaselineMissing(RuntimeError):
    """A library that is not installed; the message says what to install."""


@dataclass(frozen=True)
class Spatial:
    """A setting of librealsense's spatial filter, in its disparity domain.

    Attributes:
        alpha, delta, magnitude: as its options are called.
        hole_filling: its mode afterwards, or None.
    """

    alpha: float = 0.5
    delta: float = 20.0
    magnitude: int = 2
    hole_filling: int | None = None


LIBREALSENSE = {
    "rs_spatial": Spatial(),
    "rs_spatial_strong": Spatial(0.4, 30.0, 5),
    "rs_spatial_stronger": Spatial(0.25, 50.0, 5),
    "rs_spatial_farthest": Spatial(hole_filling=FARTHEST),
    "rs_spatial_nearest": Spatial(hole_filling=NEAREST),
}


def all_baselines() -> dict[str, Filter]:
    """Every filter by name.

    Raises:
        BaselineMissing: librealsense's Python package is not installed, or its libusb is not.
    """
    filters: dict[str, Filter] = {name: Librealsense(s) for name, s in LIBREALSENSE.items()}
    return filters | {"cv_median": median_filter, "cv_bilateral": bilateral_filter}


def median_filter(frame: Frame) -> np.ndarray:
    """OpenCV's median of 5x5, where the input is valid."""
    return np.where(frame.depth_mm > 0, cv2.medianBlur(frame.depth_mm, 5), 0).astype(np.uint16)


def bilateral_filter(frame: Frame) -> np.ndarray:
    """OpenCV's bilateral filter of 9x9 on disparity, where noise is even."""
    scale = frame.camera.disparity_scale_px_mm
    valid = frame.depth_mm > 0
    disparity = np.where(valid, scale / np.maximum(frame.depth_mm, 1), 0).astype(np.float32)
    smooth = cv2.bilateralFilter(disparity, 9, BILATERAL_STEP_PX, BILATERAL_PX)
    depth = np.where(valid & (smooth > 0), scale / np.maximum(smooth, 1e-3), 0)
    return np.minimum(np.round(depth), 65535).astype(np.uint16)


class Librealsense:
    """librealsense's disparity, spatial, depth and hole filling blocks on single frames."""

    def __init__(self, setting: Spatial) -> None:
        self.rs, self.setting = _pyrealsense2(), setting
        self.device: _SoftwareDevice | None = None

    def __call__(self, frame: Frame) -> np.ndarray:
        """[H, W] uint16 mm, filtered; each frame starts afresh."""
        if self.device is None or self.device.camera != frame.camera:
            self.device = _SoftwareDevice(self.rs, frame.camera)
        result = self.device.frame(frame.depth_mm)
        for block in self._blocks():
            result = block.process(result)
        return np.array(result.as_frame().get_data(), dtype=np.uint16)

    def _blocks(self) -> list:
        rs, option = self.rs, self.rs.option
        spatial = rs.spatial_filter()
        spatial.set_option(option.filter_smooth_alpha, self.setting.alpha)
        spatial.set_option(option.filter_smooth_delta, self.setting.delta)
        spatial.set_option(option.filter_magnitude, self.setting.magnitude)
        blocks = [rs.disparity_transform(True), spatial, rs.disparity_transform(False)]
        if self.setting.hole_filling is not None:
            blocks.append(rs.hole_filling_filter(self.setting.hole_filling))
        return blocks


class LibrealsenseStream:
    """librealsense's spatial and temporal filters in disparity on one frame, over and over.

    What robots run today, for timing: putting the frame into librealsense is not part of it.

    Raises:
        BaselineMissing: as `all_baselines`.
    """

    def __init__(self, camera: Camera, depth_mm: np.ndarray) -> None:
        rs = _pyrealsense2()
        self.device = _SoftwareDevice(rs, camera)
        self.frame = self.device.frame(depth_mm)
        self.blocks = [
            rs.disparity_transform(True),
            rs.spatial_filter(),
            rs.temporal_filter(),
            rs.disparity_transform(False),
        ]

    def process(self) -> None:
        """Filters the frame once more."""
        result = self.frame
        for block in self.blocks:
            result = block.process(result)


class _SoftwareDevice:
    """A camera that exists in librealsense only, and gives the frames that it is given."""

    def __init__(self, rs, camera: Camera) -> None:
        self.rs, self.camera, self.number = rs, camera, 0
        intrinsics = rs.intrinsics()
        intrinsics.width, intrinsics.height = camera.width, camera.height
        intrinsics.fx, intrinsics.fy = camera.fx, camera.fy
        intrinsics.ppx, intrinsics.ppy = camera.cx, camera.cy
        intrinsics.model, intrinsics.coeffs = rs.distortion.none, [0.0] * 5
        stream = rs.video_stream()
        stream.type, stream.fmt, stream.bpp, stream.fps = rs.stream.depth, rs.format.z16, 2, 30
        stream.index, stream.uid = 0, 0
        stream.width, stream.height = camera.width, camera.height
        stream.intrinsics = intrinsics
        self.device = rs.software_device()
        self.sensor = self.device.add_sensor("Depth")
        self.profile = self.sensor.add_video_stream(stream).as_video_stream_profile()
        self.sensor.add_read_only_option(rs.option.depth_units, 0.001)
        # The disparity transform asks for the baseline in millimetres.
        self.sensor.add_read_only_option(rs.option.stereo_baseline, 1000.0 * camera.baseline_m)
        self.queue = rs.frame_queue(1)
        self.sensor.open(self.profile)
        self.sensor.start(self.queue)

    def frame(self, depth_mm: np.ndarray):
        """The image as a frame of librealsense."""
        rs = self.rs
        self.number += 1
        frame = rs.software_video_frame()
        frame.pixels = np.ascontiguousarray(depth_mm)
        frame.stride, frame.bpp = 2 * self.camera.width, 2
        frame.timestamp, frame.frame_number = 33.0 * self.number, self.number
        frame.domain = rs.timestamp_domain.hardware_clock
        frame.profile, frame.depth_units = self.profile, 0.001
        self.sensor.on_video_frame(frame)
        return self.queue.wait_for_frame()


def _pyrealsense2():
    try:
        import pyrealsense2
    except ImportError as error:
        raise BaselineMissing(
            f"librealsense's filters need 'pip install pyrealsense2' and Debian's libusb-1.0-0 "
            f"({error}); leave --baselines out to do without"
        ) from error
    return pyrealsense2
