"""One moment of a recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rs_denoise.camera import Camera


class RecordingError(ValueError):
    """A recording that cannot be read; the message names the file and what to do."""


@dataclass(frozen=True)
class Frame:
    """Depth with what belongs to it.

    Attributes:
        name: unique within its recording.
        camera: of the left imager, in which everything here is expressed.
        depth_mm: [H, W] uint16, 0 = invalid.
        infrared: [H, W] uint8 of the left imager, or None.
        ground_truth_mm: [H, W] uint16, 0 = unknown, or None.
        infrared_right: [H, W] uint8 of the right imager, or None.
        stamp_ns: when it was taken, by the camera's clock; None where nothing says so.
    """

    name: str
    camera: Camera
    depth_mm: np.ndarray
    infrared: np.ndarray | None = None
    ground_truth_mm: np.ndarray | None = None
    infrared_right: np.ndarray | None = None
    stamp_ns: int | None = None
