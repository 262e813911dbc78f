"""Measures which shipped models this computer can run at the camera's rate, and chooses one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from rs_denoise.denoiser import Denoiser
from rs_denoise.pipeline.workers import Workers
from rs_denoise.synthetic_frame import TYPICAL_CAMERA, synthetic_frame
from rs_denoise.warm_up import warm_up

# Stands for the best model that keeps up.
AUTO = "auto"
# A model keeps up if it is faster than the camera by this factor, a reserve for driver and
# consumers.
MIN_RATIO = 1.1
# Number of frames for timing each worker, and a time limit.
TIMED_FRAMES, MAX_TIMING_S = 5, 1.0


@dataclass(frozen=True)
class StreamProfile:
    """Size in px and rate of a camera's images. The defaults are a D435's usual profile."""

    width: int = TYPICAL_CAMERA.width
    height: int = TYPICAL_CAMERA.height
    rate_hz: float = 30.0


@dataclass(frozen=True)
class ModelChoice:
    """A model that was chosen, and why.

    Attributes:
        name: the model's name.
        stream: the stream that it was chosen for.
        cameras: number of cameras that the model has to serve.
        measured_hz: frames per second of each model that was measured, by name, the best first.
    """

    name: str
    stream: StreamProfile
    cameras: int
    measured_hz: dict[str, float]

    @property
    def keeps_up(self) -> bool:
        """Whether the model is fast enough."""
        return self.measured_hz[self.name] >= MIN_RATIO * self.cameras * self.stream.rate_hz

    def __str__(self) -> str:
        stream, cameras = self.stream, f"{self.cameras} cameras of " if self.cameras > 1 else ""
        wanted = f"{cameras}{stream.rate_hz:.0f} Hz at {stream.width}x{stream.height}"
        measured = ", ".join(f"{name} {hz:.1f} Hz" for name, hz in self.measured_hz.items())
        if self.keeps_up:
            which = f"{self.name} is the best shipped model that keeps up with {wanted}"
        else:
            which = f"{self.name} is the fastest shipped model, but does not keep up with {wanted}"
        return f"{which} (measured: {measured})"

    @property
    def advice(self) -> str | None:
        """What helps if the model does not keep up; None if it does."""
        if self.keeps_up:
            return None
        return (
            f"{self}: frames are dropped. Lower the rate or the size of depth and infrared in the "
            "camera, leave more cores to the node (num_threads), or use a GPU"
        )


def choose_model(
    candidates: Sequence[str], stream: StreamProfile, cameras: int, measure: Callable[[str], float]
) -> ModelChoice:
    """The first candidate that keeps up; if none does, the fastest.

    Args:
        candidates: names of models, the best first.
        stream: the camera's.
        cameras: number of such cameras.
        measure: returns the frames per second of a model. It is not called for models after the
            first one that keeps up.
    """
    measured_hz: dict[str, float] = {}
    for name in candidates:
        measured_hz[name] = measure(name)
        choice = ModelChoice(name, stream, cameras, measured_hz)
        if choice.keeps_up:
            return choice
    fastest = max(measured_hz, key=lambda name: measured_hz[name])
    return ModelChoice(fastest, stream, cameras, measured_hz)


def measure_rate_hz(
    denoiser: Denoiser,
    workers: Workers,
    watch: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> float:
    """Frames per second with every worker denoising, after a warm-up.

    Args:
        denoiser: runs the model.
        workers: the threads in which it denoises.
        watch: as of `warm_up`.

    Raises:
        NetworkError: as of `Denoiser.denoise`.
    """
    frame = synthetic_frame(denoiser.camera)
    times_s: list[float] = []

    def time_frames() -> None:
        warm_up(denoiser, watch)
        end_s = time.monotonic() + MAX_TIMING_S
        for _ in range(TIMED_FRAMES):
            begun_s = time.monotonic()
            with watch():
                denoiser.denoise(*frame)
            times_s.append(time.monotonic() - begun_s)
            if time.monotonic() > end_s:
                break

    workers.run_in_each(time_frames)
    return workers.count / statistics.median(times_s)
