"""The frame pipeline: denoises the newest frame and hands on the results in order. No ROS here.

submit() -> latest slot -> worker: decode, denoise -> in order: empty output?, fallback -> on_result
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from rs_denoise.camera import Camera, CameraError
from rs_denoise.denoiser import Denoised, FrameError, NetworkError
from rs_denoise.gate import Gate
from rs_denoise.pipeline.adaptive_denoiser import AdaptiveDenoiser
from rs_denoise.pipeline.device import DeviceLostError, DeviceMemoryError
from rs_denoise.pipeline.failure import (
    EmptyOutputDetector,
    FailurePolicy,
    fallback_output,
    unprocessed,
)
from rs_denoise.pipeline.latest_slot import LatestSlot
from rs_denoise.pipeline.resources import PreparedNetwork
from rs_denoise.pipeline.sequencer import Sequencer

T = TypeVar("T")

# A frame takes less than this, unless its device hangs.
MAX_FRAME_S = 10.0


@dataclass(frozen=True)
class FrameSettings:
    """The user's choices that apply to a frame.

    Attributes:
        gate: what may be published.
        min_fill: a frame with a smaller fraction of valid pixels counts as empty, 0..1.
        on_failure: what is published if the frame cannot be denoised.
        enabled: False: depth is published as the camera measured it.
    """

    gate: Gate
    min_fill: float = 0.0
    on_failure: FailurePolicy = "silence"
    enabled: bool = True


@dataclass(frozen=True)
class InputFrame(Generic[T]):
    """A frame to denoise. Images are decoded by a worker, so that receiving them stays fast.

    Attributes:
        source: whatever the caller wants back with the result.
        read_depth: gives depth, [H, W] mm, or raises FrameError.
        read_infrared: gives infrared grey levels, [H, W] uint8, or raises FrameError; None: there
            is no infrared.
        camera: that took it.
        settings: how it is denoised.
        received_ns: when it arrived, `time.monotonic_ns()`.
    """

    source: T
    read_depth: Callable[[], np.ndarray]
    read_infrared: Callable[[], np.ndarray] | None
    camera: Camera
    settings: FrameSettings
    received_ns: int


@dataclass(frozen=True)
class FrameResult(Generic[T]):
    """What became of a frame.

    Attributes:
        frame: as it was submitted.
        output: what is to be published: denoised depth, or what the failure policy says; None:
            nothing.
        failure: why the frame could not be denoised; None if it was.
        denoise_ns: how long decoding and denoising took.
    """

    frame: InputFrame[T]
    output: Denoised | None
    failure: str | None
    denoise_ns: int


@dataclass(frozen=True)
class _Attempt(Generic[T]):
    """A frame after its worker is done with it: denoised, or why not."""

    frame: InputFrame[T]
    outcome: Denoised | str
    denoise_ns: int


class FramePipeline(Generic[T]):
    """Denoises the newest frame, as many concurrently as there are workers.

    Args:
        network: that denoises; other pipelines may share its model and workers.
        on_result: called with each result, in the order in which frames were taken, from a thread
            of the pipeline.
        on_fatal: called with a reason when no frame can be denoised any more in this process.
    """

    def __init__(
        self,
        network: PreparedNetwork,
        on_result: Callable[[FrameResult[T]], None],
        on_fatal: Callable[[str], None],
    ) -> None:
        self._denoiser = AdaptiveDenoiser(network.model, network.tile_px)
        self._workers = network.workers
        self._on_result, self._on_fatal = on_result, on_fatal
        self._slot: LatestSlot[InputFrame[T]] = LatestSlot()
        self._sequencer = Sequencer()
        self._empty_output = EmptyOutputDetector()
        self._broken = False
        self._threads = [
            threading.Thread(target=self._run, daemon=True) for _ in range(network.workers.count)
        ]

    def start(self) -> None:
        """Starts to take frames."""
        for thread in self._threads:
            thread.start()

    def submit(self, frame: InputFrame[T]) -> bool:
        """Stores a frame for the next free worker; True if that dropped an older one."""
        return self._slot.put(frame)

    def stop(self) -> bool:
        """Finishes the frames in work and takes no more; True if that dropped a waiting frame."""
        dropped = self._slot.close()
        deadline = time.monotonic() + MAX_FRAME_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return dropped

    @property
    def hangs(self) -> bool:
        """After `stop`: whether a frame is still in work, which its device will hardly finish."""
        return any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        try:
            while self._slot.wait() and not self._broken:
                self._process_next()
        except Exception as error:  # else frames would stop coming without a message
            self._give_up(f"an inference thread ended: {type(error).__name__}: {error}")

    def _process_next(self) -> None:
        done = self._workers.run(self._attempt_newest)
        if done is not None:
            number, attempt = done
            with self._sequencer.turn(number):
                self._on_result(self._finish(attempt))

    def _attempt_newest(self) -> tuple[int, _Attempt[T]] | None:
        # Taken by the worker and not before, so that it is the newest when work on it begins.
        taken = self._slot.take()
        if taken is None:
            return None
        number, frame = taken
        started_ns = time.monotonic_ns()
        outcome = self._attempt(frame)
        return number, _Attempt(frame, outcome, time.monotonic_ns() - started_ns)

    def _attempt(self, frame: InputFrame[T]) -> Denoised | str:
        try:
            depth_mm = frame.read_depth()
            if not frame.settings.enabled:
                return unprocessed(depth_mm)
            infrared = frame.read_infrared() if frame.read_infrared else None
            gate = frame.settings.gate
            return self._denoiser.denoise(depth_mm, infrared, frame.camera, gate)
        except DeviceLostError as error:
            self._give_up(str(error))
            return str(error)
        except (FrameError, CameraError, NetworkError, DeviceMemoryError) as error:
            return str(error)
        except Exception as error:  # whatever it is: only this frame is lost, and it is reported
            return f"{type(error).__name__}: {error}"

    def _finish(self, attempt: _Attempt[T]) -> FrameResult[T]:
        frame, outcome = attempt.frame, attempt.outcome
        settings = frame.settings
        if not isinstance(outcome, str):
            valid_fraction = outcome.valid_before_range
            if not self._empty_output.update(valid_fraction, settings.min_fill):
                return FrameResult(frame, outcome, None, attempt.denoise_ns)
            outcome = _describe_empty(frame.read_depth(), valid_fraction)
        output = fallback_output(settings.on_failure, frame.camera, frame.read_depth)
        return FrameResult(frame, output, outcome, attempt.denoise_ns)

    def _give_up(self, reason: str) -> None:
        self._broken = True
        self._on_fatal(reason)


def _describe_empty(depth_mm: np.ndarray, valid_fraction: float) -> str:
    measured = np.count_nonzero(depth_mm > 0) / depth_mm.size
    return (
        f"only {100 * valid_fraction:.1f} % of the pixels came out valid for a second, the camera "
        f"measured {100 * measured:.1f} %: is it covered or too close to objects, or is "
        "min_confidence too high?"
    )
