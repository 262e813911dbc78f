"""Counts and times of frames, as diagnostics report them. No ROS here."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

RATE_WINDOW_S = 2.0
# An error stays visible for this long after it occurred last.
ERROR_VISIBLE_S = 5.0


@dataclass(frozen=True)
class FrameTiming:
    """Where the time of a published frame went, in seconds.

    Attributes:
        wait_s: for infrared, for a worker, and for earlier frames to be published.
        denoise_s: decoding the messages and denoising.
        publish_s: making and sending the messages.
    """

    wait_s: float
    denoise_s: float
    publish_s: float

    @property
    def latency_s(self) -> float:
        """From the arrival of depth until the result was sent."""
        return self.wait_s + self.denoise_s + self.publish_s


@dataclass(frozen=True)
class Snapshot:
    """The statistics at one moment.

    Attributes:
        frames_in, frames_out: depth messages received, results published.
        dropped: frames whose turn never came: a newer one arrived, or nobody listened any more.
        failed: frames lost to an error, also if something else was published for them.
        input_rate_hz, output_rate_hz: over the last two seconds.
        timings: of the frames published in that time.
        error: the last error, if it is recent.
        listening: whether input is listened to.
        silent_s: time since the last depth message, or since listening began if none came.
        receiving: whether any depth message came since then.
    """

    frames_in: int
    frames_out: int
    dropped: int
    failed: int
    input_rate_hz: float
    output_rate_hz: float
    timings: list[FrameTiming]
    error: str | None
    listening: bool
    silent_s: float
    receiving: bool


class FrameStatistics:
    """Counts and times, written by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames_in = self._frames_out = self._dropped = self._failed = 0
        self._arrivals: deque[float] = deque(maxlen=1000)
        self._timings: deque[tuple[float, FrameTiming]] = deque(maxlen=1000)
        self._error = ""
        self._error_time = float("-inf")
        self._listening_since: float | None = None

    def set_listening(self, listening: bool) -> None:
        """Input is listened to from now on, or no more: then silence is no fault."""
        with self._lock:
            self._listening_since = time.monotonic() if listening else None
            self._arrivals.clear()
            self._timings.clear()

    def count_received(self) -> None:
        """A depth message arrived."""
        with self._lock:
            self._frames_in += 1
            self._arrivals.append(time.monotonic())

    def count_dropped(self) -> None:
        """A frame's turn never came."""
        with self._lock:
            self._dropped += 1

    def count_failed(self) -> None:
        """A frame was lost to an error."""
        with self._lock:
            self._failed += 1

    def count_published(self, timing: FrameTiming) -> None:
        """A result was published."""
        with self._lock:
            self._frames_out += 1
            self._timings.append((time.monotonic(), timing))

    def report_error(self, reason: str) -> None:
        """Something went wrong; it stays visible for a while."""
        with self._lock:
            self._error, self._error_time = reason, time.monotonic()

    def snapshot(self) -> Snapshot:
        """The statistics of this moment."""
        with self._lock:
            now = time.monotonic()
            arrivals = sum(now - at <= RATE_WINDOW_S for at in self._arrivals)
            timings = [timing for at, timing in self._timings if now - at <= RATE_WINDOW_S]
            heard = self._arrivals[-1] if self._arrivals else self._listening_since
            return Snapshot(
                frames_in=self._frames_in,
                frames_out=self._frames_out,
                dropped=self._dropped,
                failed=self._failed,
                input_rate_hz=arrivals / RATE_WINDOW_S,
                output_rate_hz=len(timings) / RATE_WINDOW_S,
                timings=timings,
                error=self._error if now - self._error_time < ERROR_VISIBLE_S else None,
                listening=self._listening_since is not None,
                silent_s=0.0 if heard is None else now - heard,
                receiving=bool(self._arrivals),
            )
