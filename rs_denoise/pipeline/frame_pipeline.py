"""The frame pipeline: denoises the newest frame and delivers results in order. Imports no ROS.

submit() -> latest slot -> worker: decode, denoise -> in order: empty output?, fallback -> on_result
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from rs_denoise.camera import Camera, CameraError
from rs_denoise.denoiser import Denoised, FrameError, NetworkError
from rs_denoise.depth import MAX_DEPTH_MM
from rs_denoise.gate import Gate
from rs_denoise.pipeline.adaptive_denoiser import AdaptiveDenoiser
from rs_denoise.pipeline.device_errors import DeviceLostError, DeviceMemoryError
from rs_denoise.pipeline.failure import (
    EmptyOutputDetector,
    FailurePolicy,
    fallback_output,
    unprocessed,
)
from rs_denoise.pipeline.frames_in_progress import FramesInProgress
from rs_denoise.pipeline.latest_slot import LatestSlot
from rs_denoise.pipeline.out_of_range import restore_out_of_range
from rs_denoise.pipeline.resources import PreparedNetwork
from rs_denoise.pipeline.sequencer import Sequencer
from rs_denoise.synthetic_frame import TYPICAL_CAMERA, synthetic_frame, typical_camera
from rs_denoise.warm_up import WARM_UP_FRAMES

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class FrameSettings:
    """The user's settings for a frame.

    Attributes:
        gate: what may be published.
        min_fill: a frame with a smaller fraction of valid pixels counts as empty, 0..1.
        on_failure: what is published if the frame cannot be denoised.
        enabled: False to publish depth as the camera measured it.
    """

    gate: Gate
    min_fill: float = 0.0
    on_failure: FailurePolicy = "silence"
    enabled: bool = True


@dataclass(frozen=True)
class InputFrame(Generic[T]):
    """A frame to denoise. Images are decoded by a worker, so that receiving them stays fast.

    Attributes:
        source: any object, returned with the result.
        depth_size: width and height of the depth image, px, known before it is decoded.
        read_depth: returns depth, [H, W] mm, or raises FrameError.
        read_infrared: returns infrared grey levels, [H, W] uint8, or raises FrameError; None if
            there is no infrared.
        camera: that took it.
        settings: how it is denoised.
        received_ns: when it arrived, `time.monotonic_ns()`.
        read_infrared_right: as `read_infrared`, of the right imager. The frame is denoised without
            it if it cannot be used.
    """

    source: T
    depth_size: tuple[int, int]
    read_depth: Callable[[], np.ndarray]
    read_infrared: Callable[[], np.ndarray] | None
    camera: Camera
    settings: FrameSettings
    received_ns: int
    read_infrared_right: Callable[[], np.ndarray] | None = None


@dataclass(frozen=True)
class FrameResult(Generic[T]):
    """The result of a frame.

    Attributes:
        frame: as it was submitted.
        output: to be published: denoised depth, or what the failure policy requires; None for
            nothing.
        failure: why the frame could not be denoised; None if it was.
        denoise_ns: how long decoding and denoising took.
        right_rejection: why the right infrared image was not used; None if it was, or if there was
            none.
    """

    frame: InputFrame[T]
    output: Denoised | None
    failure: str | None
    denoise_ns: int
    right_rejection: str | None = None


@dataclass(frozen=True)
class _Attempt(Generic[T]):
    """A processed frame: denoised, or the reason why not."""

    frame: InputFrame[T]
    outcome: Denoised | str
    denoise_ns: int
    right_rejection: str | None


class FramePipeline(Generic[T]):
    """Denoises the newest frame, as many concurrently as there are workers.

    Args:
        network: that denoises; other pipelines may share its model and workers.
        on_result: called with each result, in the order of the frames, from a thread of the
            pipeline.
        on_fatal: called with the reason when this process can denoise no more frames.
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
        self._in_progress = FramesInProgress()
        self._sequencer = Sequencer()
        self._empty_output = EmptyOutputDetector()
        self._warm_sizes = {(TYPICAL_CAMERA.width, TYPICAL_CAMERA.height)}
        self._broken = False
        self._threads = [
            threading.Thread(target=self._run, daemon=True) for _ in range(network.workers.count)
        ]

    def start(self) -> None:
        """Starts to process frames."""
        for thread in self._threads:
            thread.start()

    def warm_up(self, width: int, height: int) -> None:
        """Has every worker denoise synthetic frames of a size, before any frame of a camera.

        The first frames of each size take longer: the network is compiled for it. Frames that
        arrive meanwhile wait, and the newest of them is denoised next.

        Args:
            width, height: in px; nothing happens for a size that is warmed up already.
        """
        if (width, height) not in self._warm_sizes:
            self._warm_sizes.add((width, height))
            self._workers.start_in_each(lambda: self._denoise_synthetic(width, height))

    def submit(self, frame: InputFrame[T]) -> bool:
        """Stores a frame for the next free worker; True if that dropped an older one."""
        size = frame.camera.width, frame.camera.height
        # A size that only one of the two has is wrong, and may be too large for the device.
        if frame.settings.enabled and frame.depth_size == size:
            self.warm_up(*size)
        return self._slot.put(frame)

    def stop(self, frame_timeout_s: float) -> bool:
        """Stops accepting frames and finishes those in progress.

        Args:
            frame_timeout_s: frames that have been in progress for longer are not waited for.

        Returns:
            Whether that dropped a waiting frame.
        """
        dropped = self._slot.close()
        self._in_progress.stop(frame_timeout_s)
        return dropped

    @property
    def longest_in_progress_s(self) -> float:
        """How long the oldest frame in progress has taken so far; 0 if there is none."""
        return self._in_progress.longest_s

    def _run(self) -> None:
        try:
            while self._slot.wait() and not self._broken:
                self._process_next()
        except Exception as error:  # otherwise output would stop silently
            self._give_up(f"an inference thread ended: {type(error).__name__}: {error}")

    def _process_next(self) -> None:
        done = self._workers.run(self._attempt_newest)
        if done is None:
            return
        key, number, attempt = done
        try:
            with self._sequencer.turn(number):
                self._on_result(self._finish(attempt))
        finally:
            self._in_progress.end(key)

    def _denoise_synthetic(self, width: int, height: int) -> None:
        camera = typical_camera(width, height)
        images = synthetic_frame(camera)
        for _ in range(WARM_UP_FRAMES):
            with self._in_progress.frame() as may_begin:
                if self._broken or not may_begin:
                    return
                try:
                    self._denoiser.denoise(*images, camera, Gate())
                except DeviceLostError as error:
                    self._give_up(str(error))
                except Exception as error:  # the camera's frames will fail too, and report it
                    _log.warning("warm-up at %dx%d failed: %s", width, height, error)

    def _attempt_newest(self) -> tuple[int, int, _Attempt[T]] | None:
        key = self._in_progress.begin()
        if key is None:
            return None
        # Taken only now, by the worker, so that it is the newest when work on it begins.
        taken = self._slot.take()
        if taken is None:
            self._in_progress.end(key)
            return None
        number, frame = taken
        started_ns = time.monotonic_ns()
        right, rejection = _read_right(frame)
        outcome = self._attempt(frame, right)
        if isinstance(outcome, Denoised):
            rejection = rejection or outcome.right_rejection
        return key, number, _Attempt(frame, outcome, time.monotonic_ns() - started_ns, rejection)

    def _attempt(self, frame: InputFrame[T], right: np.ndarray | None) -> Denoised | str:
        try:
            depth_mm = frame.read_depth()
            if not frame.settings.enabled:
                return unprocessed(depth_mm, frame.camera)
            infrared = frame.read_infrared() if frame.read_infrared else None
            gate = frame.settings.gate
            result = self._denoiser.denoise(depth_mm, infrared, right, frame.camera, gate)
            return restore_out_of_range(result, depth_mm)
        except DeviceLostError as error:
            self._give_up(str(error))
            return str(error)
        except (FrameError, CameraError, NetworkError, DeviceMemoryError) as error:
            return str(error)
        except Exception as error:  # in any case only this frame is lost, and this is reported
            return f"{type(error).__name__}: {error}"

    def _finish(self, attempt: _Attempt[T]) -> FrameResult[T]:
        frame, outcome = attempt.frame, attempt.outcome
        settings = frame.settings
        if not isinstance(outcome, str):
            valid_fraction = outcome.valid_before_range
            if not self._empty_output.update(valid_fraction, settings.min_fill):
                return FrameResult(
                    frame, outcome, None, attempt.denoise_ns, attempt.right_rejection
                )
            outcome = _describe_empty(frame.read_depth(), valid_fraction)
        output = fallback_output(settings.on_failure, frame.camera, frame.read_depth)
        return FrameResult(frame, output, outcome, attempt.denoise_ns, attempt.right_rejection)

    def _give_up(self, reason: str) -> None:
        self._broken = True
        self._on_fatal(reason)


def _read_right(frame: InputFrame) -> tuple[np.ndarray | None, str | None]:
    """The right infrared image, or None and, if there is one that cannot be used, why."""
    if frame.read_infrared_right is None:
        return None, None
    camera = frame.camera
    try:
        image = frame.read_infrared_right()
    except FrameError as error:
        return None, str(error)
    except Exception as error:  # in any case the frame can be denoised without it
        return None, f"right infrared cannot be read: {type(error).__name__}: {error}"
    if image.shape != (camera.height, camera.width):
        height, width = image.shape
        return None, (
            f"right infrared is {width}x{height}, expected {camera.width}x{camera.height} as "
            "depth: set both infrared streams to depth's profile, without a decimation filter"
        )
    return image, None


def _describe_empty(depth_mm: np.ndarray, valid_fraction: float) -> str:
    seen_mm = depth_mm[depth_mm > 0]
    measured = seen_mm.size / depth_mm.size
    if seen_mm.size and MAX_DEPTH_MM < np.median(seen_mm) < np.inf:
        return (
            f"depth is {np.median(seen_mm) / 1000:.0f} m (median), more than any camera measures: "
            "are millimetres sent as 32FC1, which holds metres?"
        )
    return (
        f"only {100 * valid_fraction:.1f} % of the pixels were valid after denoising for a second, "
        f"the camera measured {100 * measured:.1f} %: is it covered or too close to objects, or is "
        "min_confidence too high?"
    )
