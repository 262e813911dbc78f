"""What kinds of failure there are, and what goes out then. No ROS in here."""

from __future__ import annotations

import time
from typing import Literal

# As long as a frame or two may be nearly empty without meaning anything: a hand before the camera.
PATIENCE_S = 1.0

# silence: nothing goes out, and what consumes depth stops the robot after its own timeout.
# passthrough: the camera's depth goes out as it came; its confidence is unknown (NaN).
# invalid: an image of invalid pixels goes out; most consumers take that for a free path.
Policy = Literal["silence", "passthrough", "invalid"]


class Emptiness:
    """Watches for output that is nearly empty for longer than a moment.

    To most consumers an invalid pixel is no obstacle, so a stream of them is a free path; who gets
    nothing stops.
    """

    def __init__(self) -> None:
        self._since: float | None = None

    def lasts(self, fill: float, min_fill: float) -> bool:
        """Whether frames have had less than `min_fill` of valid pixels for too long.

        Args:
            fill: share of valid pixels in the frame that would go out now, 0..1.
            min_fill: of the parameters, 0..1.
        """
        now = time.monotonic()
        if fill >= min_fill:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since >= PATIENCE_S


def is_out_of_memory(error: Exception) -> bool:
    """Whether the GPU is full. From within TorchScript that comes as plain text."""
    return any(words in str(error) for words in ("out of memory", "ALLOC_FAILED"))


def is_device_lost(error: Exception) -> bool:
    """Whether CUDA refuses everything from now on, as after an illegal access or a fallen bus."""
    return "CUDA error" in str(error) and not is_out_of_memory(error)
