"""The filters to compare with: librealsense's post-processing and OpenCV.

librealsense's own code runs, on its software device. Temporal filters are omitted, because frames
with ground truth are single frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.depth import to_depth_mm, to_disparity_px, to_uint16_mm
from rs_denoise.librealsense import DEPTH, SoftwareCamera, import_pyrealsense2
from rs_denoise.offline import Method
from rs_denoise.recordings.frame import Frame

FILL_FARTHEST, FILL_NEAREST = 1, 2
BILATERAL_PX, BILATERAL_STEP_PX = 3.0, 0.6


@dataclass(frozen=True)
class Spatial:
    """Settings of librealsense's spatial filter, which runs on disparity.

    Attributes:
        alpha, delta, magnitude: the filter's options.
        hole_filling: mode of the subsequent hole-filling filter; None for no hole filling.
    """

    alpha: float = 0.5
    delta: float = 20.0
    magnitude: int = 2
    hole_filling: int | None = None


LIBREALSENSE = {
    "rs_spatial": Spatial(),
    "rs_spatial_strong": Spatial(0.4, 30.0, 5),
    "rs_spatial_stronger": Spatial(0.25, 50.0, 5),
    "rs_spatial_farthest": Spatial(hole_filling=FILL_FARTHEST),
    "rs_spatial_nearest": Spatial(hole_filling=FILL_NEAREST),
}


def all_baselines() -> dict[str, Method]:
    """Every filter by name.

    Raises:
        LibrealsenseMissing: librealsense's Python package or libusb is not installed.
    """
    filters: dict[str, Method] = {name: Librealsense(s) for name, s in LIBREALSENSE.items()}
    return filters | OPENCV


def median_filter(frame: Frame) -> np.ndarray:
    """OpenCV's 5x5 median filter, where the input is valid."""
    return to_uint16_mm(np.where(frame.depth_mm > 0, cv2.medianBlur(frame.depth_mm, 5), 0))


def bilateral_filter(frame: Frame) -> np.ndarray:
    """OpenCV's 9x9 bilateral filter on disparity, where the noise is uniform."""
    scale = frame.camera.disparity_scale_px_mm
    disparity = to_disparity_px(frame.depth_mm, scale)
    smooth = cv2.bilateralFilter(disparity, 9, BILATERAL_STEP_PX, BILATERAL_PX)
    return to_uint16_mm(np.where(frame.depth_mm > 0, to_depth_mm(smooth, scale), 0))


OPENCV: dict[str, Method] = {"cv_median": median_filter, "cv_bilateral": bilateral_filter}


class Librealsense:
    """librealsense's spatial filter in disparity, and its hole filling, on single frames."""

    def __init__(self, setting: Spatial) -> None:
        self.rs, self.setting = import_pyrealsense2(), setting
        self.source: _SingleFrames | None = None

    def __call__(self, frame: Frame) -> np.ndarray:
        """[H, W] uint16 mm, filtered; nothing is kept from frame to frame."""
        if self.source is None or self.source.camera != frame.camera:
            self.source = _SingleFrames(frame.camera)
        result = self.source.frame(to_uint16_mm(frame.depth_mm))
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
    """librealsense's spatial and temporal filters in disparity, for timing on one frame.

    The time excludes passing the frame to librealsense.

    Raises:
        LibrealsenseMissing: as `all_baselines`.
    """

    def __init__(self, camera: Camera, depth_mm: np.ndarray) -> None:
        rs = import_pyrealsense2()
        self.source = _SingleFrames(camera)
        self.frame = self.source.frame(depth_mm)
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


class _SingleFrames:
    """Turns images into frames of librealsense, one at a time."""

    def __init__(self, camera: Camera) -> None:
        self.camera, self._software = camera, SoftwareCamera(camera)
        self._queue = import_pyrealsense2().frame_queue(1)
        self._number = 0
        (sensor,) = self._software.sensors.values()
        sensor.open(self._software.profiles[DEPTH])
        sensor.start(self._queue)

    def frame(self, depth_mm: np.ndarray):
        """The image as a frame of librealsense."""
        self._number += 1
        self._software.put(DEPTH, depth_mm, 33_000_000 * self._number, self._number)
        return self._queue.wait_for_frame()
