"""A frame of a recording: a depth image and the images taken with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from rs_denoise.camera import Camera

DEFAULT_RATE_HZ = 30.0
# ROS reads a stamp of 0 as "no time".
FIRST_STAMP_NS = 1_000_000_000
# A stamp of ROS has seconds of 31 bits, and is not negative.
MAX_STAMP_NS = (1 << 31) * 1_000_000_000 - 1
# What becomes of a frame that lacks the infrared of an imager.
WITHOUT_INFRARED = {
    "infrared": "denoised from depth alone, with lower confidence",
    "right infrared": "denoised with the left one alone",
}


class RecordingError(ValueError):
    """A recording that cannot be read or written; the message gives the file and what to do."""


@dataclass(frozen=True)
class Frame:
    """A depth image and the images taken at the same moment.

    Attributes:
        name: unique within its recording.
        camera: the left imager, to which all images of the frame belong.
        depth_mm: [H, W] uint16, 0 = invalid; float32 if the camera's unit is finer than 1 mm.
        infrared: [H, W] uint8 of the left imager, or None.
        ground_truth_mm: [H, W] uint16, 0 = unknown, or None.
        infrared_right: [H, W] uint8 of the right imager, or None.
        stamp_ns: time of capture by the camera's clock; None if the recording does not store it.
        out_of_range: [H, W] bool, where the camera says that something is too close to be measured
            or that nothing is within range (REP 117). `depth_mm` is 0 there, but these are no holes
            to fill. None if the recording does not tell them apart from holes.
    """

    name: str
    camera: Camera
    depth_mm: np.ndarray
    infrared: np.ndarray | None = None
    ground_truth_mm: np.ndarray | None = None
    infrared_right: np.ndarray | None = None
    stamp_ns: int | None = None
    out_of_range: np.ndarray | None = None

    @property
    def has_infrared_pair(self) -> bool:
        """Whether it has both infrared images, of more than one row and column, to compare."""
        images = (self.infrared, self.infrared_right)
        return all(image is not None and min(image.shape) > 1 for image in images)

    @property
    def measured_mm(self) -> np.ndarray:
        """Depth for `Denoiser`: `depth_mm`, and -infinity where it is out of range."""
        if self.out_of_range is None:
            return self.depth_mm
        return np.where(self.out_of_range, np.float32(-np.inf), self.depth_mm)


def add_missing_stamps(
    frames: Iterable[Frame], rate_hz: float = DEFAULT_RATE_HZ
) -> Iterator[Frame]:
    """Yields the frames; one without a stamp is stamped one period after the frame before it."""
    next_ns = FIRST_STAMP_NS
    for frame in frames:
        if frame.stamp_ns is None:
            frame = replace(frame, stamp_ns=next_ns)
        assert frame.stamp_ns is not None
        next_ns = frame.stamp_ns + round(1e9 / rate_hz)
        yield frame


def repeat_frames(frames: Iterable[Frame], rate_hz: float = DEFAULT_RATE_HZ) -> Iterator[Frame]:
    """Yields the frames of a recording repeatedly, with stamps that keep increasing."""
    shift_ns = 0
    while True:
        first_ns = last_ns = None
        for frame in add_missing_stamps(frames, rate_hz):
            assert frame.stamp_ns is not None
            first_ns = frame.stamp_ns if first_ns is None else first_ns
            last_ns = frame.stamp_ns
            yield replace(frame, stamp_ns=frame.stamp_ns + shift_ns)
        if first_ns is None or last_ns is None:
            return
        shift_ns += last_ns - first_ns + round(1e9 / rate_hz)
