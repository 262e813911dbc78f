"""Counts and times of frames for diagnostics. Imports no ROS."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

RATE_WINDOW_S = 2.0
# An error stays visible for this long after it last occurred.
ERROR_VISIBLE_S = 5.0


@dataclass(frozen=True)
class FrameTiming:
    """Where the time of a published frame went, in seconds.

    Attributes:
        wait_s: waiting for infrared, for a worker, and for earlier frames to be published.
        denoise_s: decoding the messages and denoising.
        publish_s: making and sending the messages.
    """

    wait_s: float
    denoise_s: float
    publish_s: float

    @property
    def latency_s(self) -> float:
        """Time from the arrival of depth until the result was sent."""
        return self.wait_s + self.denoise_s + self.publish_s


@dataclass(frozen=True)
class Snapshot:
    """The statistics at one moment.

    Attributes:
        frames_in, frames_out: depth messages received, results published.
        dropped: frames that were not processed: a newer one arrived, or the last subscriber left.
        failed: frames lost to an error, also if something else was published for them.
        input_rate_hz, output_rate_hz: over the last two seconds.
        timings: of the frames published in that time.
        error: one that lasts, or the latest, if it is recent.
        warning: the latest, if it is recent.
        no_output_s: time without a result although depth arrives; 0 while none arrives.
        listening: whether input is listened to.
        silent_s: time since the last depth message, or since listening began if none arrived.
        receiving: whether any depth message has arrived since listening began.
    """

    frames_in: int
    frames_out: int
    dropped: int
    failed: int
    input_rate_hz: float
    output_rate_hz: float
    timings: list[FrameTiming]
    error: str | None
    warning: str | None
    no_output_s: float
    listening: bool
    silent_s: float
    receiving: bool


@dataclass(frozen=True)
class _Notice:
    """A problem and its time."""

    reason: str = ""
    at_s: float = float("-inf")

    def visible(self, now_s: float) -> str | None:
        return self.reason if now_s - self.at_s < ERROR_VISIBLE_S else None


class FrameStatistics:
    """Counts and times; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames_in = self._frames_out = self._dropped = self._failed = 0
        self._arrivals: deque[float] = deque(maxlen=1000)
        self._timings: deque[tuple[float, FrameTiming]] = deque(maxlen=1000)
        self._error = _Notice()
        self._lasting_error: str | None = None
        self._warning = _Notice()
        self._listening_since: float | None = None
        # Since when depth arrives without a pause.
        self._arriving_since = float("-inf")
        # The same, or since the last result.
        self._output_due_since = float("-inf")

    def set_listening(self, listening: bool) -> None:
        """Sets whether input is listened to; if not, silence is not a fault."""
        with self._lock:
            self._listening_since = time.monotonic() if listening else None
            self._arrivals.clear()
            self._timings.clear()

    def count_received(self) -> None:
        """Counts a depth message that arrived."""
        with self._lock:
            now = time.monotonic()
            if not self._arrivals or now - self._arrivals[-1] > RATE_WINDOW_S:
                self._arriving_since = self._output_due_since = now
            self._frames_in += 1
            self._arrivals.append(now)

    def count_dropped(self) -> None:
        """Counts a frame that was not processed."""
        with self._lock:
            self._dropped += 1

    def count_failed(self) -> None:
        """Counts a frame that was lost to an error."""
        with self._lock:
            self._failed += 1

    def count_published(self, timing: FrameTiming) -> None:
        """Counts a published result."""
        with self._lock:
            now = time.monotonic()
            self._frames_out += 1
            self._timings.append((now, timing))
            self._output_due_since = now

    def report_error(self, reason: str) -> None:
        """Records an error, which stays visible for a while."""
        with self._lock:
            self._error = _Notice(reason, time.monotonic())

    def set_lasting_error(self, reason: str | None) -> None:
        """Records an error that stays visible until it is replaced; None: it is over."""
        with self._lock:
            self._lasting_error = reason

    def report_warning(self, reason: str) -> None:
        """Records that part of the input could not be used; it stays visible for a while."""
        with self._lock:
            self._warning = _Notice(reason, time.monotonic())

    @property
    def steady_rate_hz(self) -> float | None:
        """Rate of the input; None until it has arrived for as long as rates are measured over.

        After a pause, as of a camera that was replugged, it is None again for a while: the first
        images may come in a burst.
        """
        with self._lock:
            now = time.monotonic()
            recent = [at for at in self._arrivals if now - at <= RATE_WINDOW_S]
            if not recent or now - self._arriving_since <= RATE_WINDOW_S:
                return None
            # After a pause that nearly fills the window, the burst alone would be a high rate.
            span_s = recent[-1] - recent[0]
            return (len(recent) - 1) / span_s if span_s >= RATE_WINDOW_S / 2 else None

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
                error=self._lasting_error or self._error.visible(now),
                warning=self._warning.visible(now),
                no_output_s=now - self._output_due_since if arrivals else 0.0,
                listening=self._listening_since is not None,
                silent_s=0.0 if heard is None else now - heard,
                receiving=bool(self._arrivals),
            )
