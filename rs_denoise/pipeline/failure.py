"""What is published when a frame cannot be denoised, and when output counts as empty."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.denoiser import Denoised, FrameError
from rs_denoise.depth import MAX_DEPTH_MM
from rs_denoise.pipeline.out_of_range import restore_out_of_range

# A few nearly empty frames are harmless: a hand in front of the camera.
EMPTY_TIMEOUT_S = 1.0
# After a longer gap the stream is a new one: nobody listened, or the camera was unplugged.
PAUSE_S = 3.0

# silence: nothing is published. Whether the robot then stops depends on the consumer.
# passthrough: the camera's depth is published as measured; its confidence is unknown (NaN).
# invalid: an image of invalid pixels is published. Most consumers treat it as free space.
FailurePolicy = Literal["silence", "passthrough", "invalid"]


class EmptyOutputDetector:
    """Detects output that is nearly empty for longer than a moment.

    Most consumers treat invalid pixels as no obstacle, so a stream of empty images looks like free
    space; without images they stop.
    """

    def __init__(self) -> None:
        self._empty_since: float | None = None
        self._updated_at = -math.inf

    def update(self, valid_fraction: float, min_fill: float) -> bool:
        """Adds a frame; returns whether output has been nearly empty for too long.

        Args:
            valid_fraction: fraction of valid pixels in this frame, 0..1.
            min_fill: a frame with a smaller fraction counts as empty, 0..1.
        """
        now = time.monotonic()
        paused, self._updated_at = now - self._updated_at > PAUSE_S, now
        if paused:  # the gap does not count
            self._empty_since = None
        if valid_fraction >= min_fill:
            self._empty_since = None
            return False
        if self._empty_since is None:
            self._empty_since = now
        return now - self._empty_since >= EMPTY_TIMEOUT_S


def fallback_output(
    policy: FailurePolicy, camera: Camera, read_depth: Callable[[], np.ndarray]
) -> Denoised | None:
    """What is published instead of a frame that failed; None if nothing is.

    Args:
        policy: the user's choice.
        camera: of the frame.
        read_depth: returns the camera's depth, [H, W] mm, or raises FrameError.
    """
    if policy == "invalid":
        empty = np.zeros((camera.height, camera.width), np.float32)
        return Denoised(empty, empty, 0.0)
    if policy == "passthrough":
        try:
            return unprocessed(read_depth(), camera)
        except FrameError:
            return None  # the frame's failure already gives the reason
    return None


def unprocessed(depth_mm: np.ndarray, camera: Camera) -> Denoised:
    """The camera's depth, [H, W] mm, as a result with unknown confidence (NaN).

    Raises:
        FrameError: the size is not the camera's: with its camera_info, consumers would compute
            wrong points.
    """
    if depth_mm.shape != (camera.height, camera.width):
        height, width = depth_mm.shape
        raise FrameError(
            f"depth must be {camera.width}x{camera.height} as its camera_info says, got "
            f"{width}x{height}"
        )
    representable = (depth_mm > 0) & (depth_mm <= MAX_DEPTH_MM)
    valid_mm = np.where(representable, depth_mm, 0).astype(np.float32)
    confidence = np.where(representable, np.float32(np.nan), np.float32(0))
    return restore_out_of_range(Denoised(valid_mm, confidence, 1.0), depth_mm)
