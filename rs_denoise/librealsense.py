"""librealsense, if it is installed, and its software device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.depth import MILLIMETRE_M


class LibrealsenseMissing(RuntimeError):
    """librealsense's Python package or libusb is not installed; the message says what to do."""


def import_pyrealsense2() -> Any:
    """Imports the module `pyrealsense2`.

    Raises:
        LibrealsenseMissing: it, or the libusb that it needs, is not installed.
    """
    try:
        import pyrealsense2 as module
    except ImportError as error:
        raise LibrealsenseMissing(
            f"this needs librealsense ({error}): 'pip install pyrealsense2' and Debian's "
            "libusb-1.0-0, or, where librealsense was built from source, its Python bindings"
        ) from error
    return module


class StreamError(ValueError):
    """An image of the wrong size or type; the message says what was expected and received."""


@dataclass(frozen=True)
class Stream:
    """A stream of a software camera.

    Attributes:
        sensor: name of its sensor, under which RealSense Viewer lists it.
        kind: "depth" (uint16 mm) or "infrared" (uint8).
        index: its number among the streams of its kind in librealsense.
    """

    sensor: str
    kind: str
    index: int

    @property
    def dtype(self) -> np.dtype:
        """Type of its images."""
        return np.dtype(np.uint16 if self.kind == "depth" else np.uint8)


# The indices of a D400: depth is 0, the left imager 1, the right imager 2.
DEPTH = Stream("Stereo Module", "depth", 0)
INFRARED = Stream("Stereo Module", "infrared", 1)
INFRARED_RIGHT = Stream("Stereo Module", "infrared", 2)


class SoftwareCamera:
    """A librealsense software device, which streams the images that are put into it.

    Args:
        camera: intrinsics and baseline of all streams.
        streams: the streams of the device.
        rate_hz: the rate that the streams report.

    Attributes:
        device: the device of librealsense.
        profiles: its stream profiles, by stream.
        sensors: its sensors, by name, in the order of the streams.
    """

    def __init__(
        self, camera: Camera, streams: tuple[Stream, ...] = (DEPTH,), rate_hz: int = 30
    ) -> None:
        rs = self.rs = import_pyrealsense2()
        self.camera, self.rate_hz = camera, rate_hz
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.name, "rs_denoise software camera")
        self.sensors: dict[str, Any] = {}
        self.profiles: dict[Stream, Any] = {}
        for stream in streams:
            if stream.sensor not in self.sensors:
                self.sensors[stream.sensor] = self._add_sensor(stream.sensor)
            profile = self.sensors[stream.sensor].add_video_stream(self._make_video_stream(stream))
            self.profiles[stream] = profile.as_video_stream_profile()
        self._register_extrinsics()

    def put(self, stream: Stream, image: np.ndarray, stamp_ns: int, number: int) -> None:
        """Sends an image, [H, W] uint16 mm or uint8, if the stream's sensor was started.

        Raises:
            StreamError: it has another size or type, so librealsense would read beyond its end.
        """
        rs = self.rs
        expected = (self.camera.height, self.camera.width)
        if image.shape != expected or image.dtype != stream.dtype:
            raise StreamError(
                f"the {stream.kind} stream of {stream.sensor} expects {stream.dtype} of "
                f"{expected[1]}x{expected[0]}, got {image.dtype} of shape {image.shape}"
            )
        frame = rs.software_video_frame()
        frame.pixels = np.ascontiguousarray(image)
        frame.bpp = stream.dtype.itemsize
        frame.stride = stream.dtype.itemsize * self.camera.width
        frame.timestamp, frame.frame_number = stamp_ns / 1e6, number
        frame.domain = rs.timestamp_domain.hardware_clock
        frame.profile = self.profiles[stream]
        frame.depth_units = MILLIMETRE_M if stream.kind == "depth" else 0.0
        self.sensors[stream.sensor].on_video_frame(frame)

    def profiles_of(self, sensor: str) -> list:
        """The stream profiles of a sensor."""
        return [p for stream, p in self.profiles.items() if stream.sensor == sensor]

    def _add_sensor(self, name: str):
        sensor = self.device.add_sensor(name)
        sensor.add_read_only_option(self.rs.option.depth_units, MILLIMETRE_M)
        # The disparity transform needs the baseline, which librealsense stores in millimetres.
        sensor.add_read_only_option(self.rs.option.stereo_baseline, 1e3 * self.camera.baseline_m)
        return sensor

    def _make_video_stream(self, stream: Stream):
        rs, camera = self.rs, self.camera
        video = rs.video_stream()
        video.type = getattr(rs.stream, stream.kind)
        video.fmt = rs.format.z16 if stream.kind == "depth" else rs.format.y8
        video.bpp, video.fps, video.index = stream.dtype.itemsize, self.rate_hz, stream.index
        video.width, video.height = camera.width, camera.height
        video.uid = len(self.profiles) + 1
        video.intrinsics = self._make_intrinsics()
        return video

    def _make_intrinsics(self):
        rs, camera = self.rs, self.camera
        intrinsics = rs.intrinsics()
        intrinsics.width, intrinsics.height = camera.width, camera.height
        intrinsics.fx, intrinsics.fy = camera.fx, camera.fy
        intrinsics.ppx, intrinsics.ppy = camera.cx, camera.cy
        intrinsics.model, intrinsics.coeffs = rs.distortion.none, [0.0] * 5
        return intrinsics

    def _register_extrinsics(self) -> None:
        """Places all streams at the left imager, except that of the right imager."""
        first, *others = self.profiles.items()
        for stream, profile in others:
            extrinsics = self.rs.extrinsics()
            extrinsics.rotation = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
            shift_m = -self.camera.baseline_m if stream == INFRARED_RIGHT else 0.0
            extrinsics.translation = [shift_m, 0.0, 0.0]
            first[1].register_extrinsics_to(profile, extrinsics)
