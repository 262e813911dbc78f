"""What the node knows of its own state, and how it says it in /diagnostics. No ROS in here."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from dataclasses import dataclass, field

OK, WARN, ERROR = b"\0", b"\1", b"\2"

# A camera is given so long to start: as long as rtabmap waits. One that ran and is silent for
# SILENCE_S hangs: the slowest profile of a RealSense has five frames a second.
INPUT_TIMEOUT_S = 5.0
SILENCE_S = 2.0
# Streams of one camera lose a frame now and then; of two rates or two clocks they lose more.
MOST_UNPAIRED = 0.2
# An error stays visible for so long after the last one.
ERROR_MEMORY_S = 5.0
RATE_WINDOW_S = 2.0
DISABLED = "disabled: the camera's depth is passed through"


@dataclass(frozen=True)
class Journey:
    """Where the time of a published frame went, in seconds.

    Attributes:
        wait: for infrared, for its turn, and for the frames before it to go out.
        denoise: reading the messages and the denoiser.
        publish: making the messages and sending them.
    """

    wait: float
    denoise: float
    publish: float

    @property
    def latency(self) -> float:
        """From the arrival of depth to the departure of the result."""
        return self.wait + self.denoise + self.publish


@dataclass(frozen=True)
class Status:
    """One entry of /diagnostics.

    Attributes:
        level: OK, WARN or ERROR, as in diagnostic_msgs.
    """

    name: str
    level: bytes
    message: str
    values: dict[str, str] = field(default_factory=dict)


class Health:
    """Counts and times, from any thread; `report` turns them into diagnostics.

    Attributes:
        frames_in, frames_out: depth messages received, and results published.
        dropped: frames whose turn never came: a newer one did, or an end of listening.
        failed: frames lost to an error, also those that something else was published for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.frames_in = self.frames_out = self.dropped = self.failed = 0
        self._arrivals: deque[float] = deque(maxlen=1000)
        self._journeys: deque[tuple[float, Journey]] = deque(maxlen=1000)
        self._last_error = ""
        self._last_error_time = float("-inf")
        self._listening_since: float | None = None
        self._told_in = self._told_unpaired = 0

    def listening(self, now: bool) -> None:
        """Tells whether anybody wants output; silence without listeners is no fault."""
        with self._lock:
            self._listening_since = time.monotonic() if now else None
            self._arrivals.clear()
            self._journeys.clear()

    def received(self) -> None:
        """A depth message came in."""
        with self._lock:
            self.frames_in += 1
            self._arrivals.append(time.monotonic())

    def dropped_frame(self) -> None:
        """A frame's turn never came."""
        with self._lock:
            self.dropped += 1

    def published(self, journey: Journey) -> None:
        """A result went out."""
        with self._lock:
            self.frames_out += 1
            self._journeys.append((time.monotonic(), journey))

    def failed_frame(self) -> None:
        """A frame was lost to an error, which `error` tells."""
        with self._lock:
            self.failed += 1

    def error(self, message: str) -> None:
        """Something went wrong; shown for a while."""
        with self._lock:
            self._last_error, self._last_error_time = message, time.monotonic()

    def report(
        self, state: str, model: dict[str, str], waiting_for: list[str], concern: str | None,
        policy: str, unpaired: int, clock_jumps: int, rivals: str | None = None,
    ) -> list[Status]:  # fmt: skip
        """The entries of /diagnostics.

        Args:
            state: of the lifecycle.
            model: what runs, in words.
            waiting_for: topics that the node needs, by their full names.
            concern: what is wrong with input that arrives, or None.
            policy: what goes out instead of a frame that cannot be denoised.
            unpaired, clock_jumps: of the pairing.
            rivals: who else publishes the output, or None.
        """
        with self._lock:
            now = time.monotonic()
            arrivals = [t for t in self._arrivals if now - t <= RATE_WINDOW_S]
            recent = [journey for t, journey in self._journeys if now - t <= RATE_WINDOW_S]
            counts = {
                "frames in": str(self.frames_in),
                "clock jumps": str(clock_jumps),
                "unpaired": str(unpaired),
            }
            out = {
                "rate (Hz)": f"{len(recent) / RATE_WINDOW_S:.1f}",
                **_times(recent),
                "frames out": str(self.frames_out),
                "dropped": str(self.dropped),
                "failed": str(self.failed),
                "on failure": policy,
            }
            concern = concern or self._loneliness(unpaired)
            level, message = self._input_state(now, waiting_for, concern)
            rate = {"rate (Hz)": f"{len(arrivals) / RATE_WINDOW_S:.1f}"}
            output = (WARN, rivals) if rivals else (OK, "running")
            if now - self._last_error_time < ERROR_MEMORY_S:
                output = ERROR, self._last_error
        return [
            Status("input", level, message, rate | counts),
            Status("output", *output, out),
            Status("model", WARN if state == DISABLED else OK, state, model | {"state": state}),
        ]  # fmt: skip

    def _loneliness(self, unpaired: int) -> str | None:
        """Whether too many frames found no infrared since this was asked last."""
        came, lost = self.frames_in - self._told_in, unpaired - self._told_unpaired
        self._told_in, self._told_unpaired = self.frames_in, unpaired
        if lost <= MOST_UNPAIRED * came:
            return None
        return (
            f"{lost} of {came} depth frames found no infrared of their moment: are both streams of "
            "one rate and on one clock? slop_ms is how far their stamps may be apart"
        )

    def _input_state(
        self, now: float, waiting_for: list[str], concern: str | None
    ) -> tuple[bytes, str]:
        if self._listening_since is None:
            return OK, "idle: nobody listens to the output"
        silent_s = now - (self._arrivals[-1] if self._arrivals else self._listening_since)
        if silent_s > (SILENCE_S if self._arrivals else INPUT_TIMEOUT_S):
            return WARN, f"no input: waiting for {', '.join(waiting_for)}"
        if concern is not None:
            return WARN, concern
        return OK, "receiving" if self._arrivals else "waiting for the first frames"


def _times(journeys: list[Journey]) -> dict[str, str]:
    latencies = [j.latency for j in journeys]
    figures = {
        "latency p50 (ms)": latencies,
        "wait p50 (ms)": [j.wait for j in journeys],
        "denoise p50 (ms)": [j.denoise for j in journeys],
        "publish p50 (ms)": [j.publish for j in journeys],
    }
    shown = {
        name: f"{1e3 * statistics.median(times):.1f}" if times else "-"
        for name, times in figures.items()
    }
    return shown | {"latency max (ms)": f"{1e3 * max(latencies):.1f}" if latencies else "-"}
