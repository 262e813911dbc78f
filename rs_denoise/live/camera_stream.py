"""The newest frames of a device of librealsense: depth and infrared, grouped by stamp."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.depth import convert_units
from rs_denoise.librealsense import INFRARED, INFRARED_RIGHT, Stream, import_pyrealsense2
from rs_denoise.pipeline.synchronizer import FrameSynchronizer, SyncedImages, SyncSettings
from rs_denoise.recordings.frame import Frame

# The node's defaults.
SLOP_NS, INFRARED_TIMEOUT_NS = 5_000_000, 1_000_000_000
# All imagers expose at the same moment; librealsense delivers their images one after the other.
RIGHT_WAIT_NS = 20_000_000
# A camera that sends no frame for this long is unplugged or hangs.
SILENCE_S = 5.0
POLL_S = 0.05
RATE_WINDOW = 60


class LiveError(RuntimeError):
    """librealsense provides no usable frames; the message says what to check."""


@dataclass(frozen=True)
class Request:
    """The profile that a camera is set to.

    Attributes:
        width, height, rate_hz: of depth and infrared.
        emitter: whether the dot projector is on; None leaves it unchanged.
    """

    width: int = 848
    height: int = 480
    rate_hz: int = 30
    emitter: bool | None = None

    def __str__(self) -> str:
        return f"{self.width}x{self.height} at {self.rate_hz} Hz"


class CameraStream:
    """Iterates over the newest frames of a device; frames that arrive in between are dropped.

    Iterating starts the device, and ends when a recording does. Depth is in mm, whatever the unit
    of the device, and float32 if that is finer. Infrared is None if the device has none.

    Args:
        device: librealsense's, whose depth sensor is used until `close`.
        request: profile of a camera; a recording (None) plays what it has. Only a camera must not
            pause for long.
        baseline_m: None to use that of the device.

    Attributes:
        camera: of the frames.
        has_infrared: whether the device has infrared of the left imager, of the size of depth.
        has_infrared_right: the same of the right imager.
        started: set once the device streams.
        paused: while it is set no frame is accepted, and a software device waits.
        received: number of frames that arrived.
        dropped: how many of them were replaced by a newer one before they were taken.

    Raises:
        LiveError: the device has no such profile, or no baseline.
    """

    def __init__(
        self, device: Any, request: Request | None = None, baseline_m: float | None = None
    ) -> None:
        self.received = self.dropped = 0
        self.started, self.paused = threading.Event(), threading.Event()
        self._rs = import_pyrealsense2()
        self._arrivals: deque[float] = deque(maxlen=RATE_WINDOW)
        self._newest: queue.Queue[Frame] = queue.Queue(1)
        self._ended = threading.Event()
        self._error: Exception | None = None
        # Reentrant: a frame that is put may end the stream, which puts those that wait.
        self._lock = threading.RLock()
        self._sensor = device.first_depth_sensor()
        self._silence_s = SILENCE_S if request else math.inf
        depth = self._depth_profile(request)
        infrared, right = (self._infrared_profile(depth, s) for s in (INFRARED, INFRARED_RIGHT))
        self._streams = [profile for profile in (depth, infrared, right) if profile is not None]
        self.has_infrared, self.has_infrared_right = infrared is not None, right is not None
        self.camera = self._camera(depth, baseline_m)
        self._synchronizer: FrameSynchronizer[np.ndarray] = FrameSynchronizer(
            SyncSettings(
                SLOP_NS,
                INFRARED_TIMEOUT_NS,
                use_infrared=self.has_infrared,
                right_wait_ns=RIGHT_WAIT_NS if self.has_infrared_right else None,
            )
        )
        self._set_emitter(request.emitter if request else None)

    def __iter__(self) -> Iterator[Frame]:
        """Yields the newest frame as soon as there is a new one.

        Raises:
            LiveError: the camera does not start, sends no frames, or was unplugged.
        """
        if not self.started.is_set():
            self._start()
        heard = time.monotonic()
        while True:
            # Read first: the last frame may arrive, and the stream end, after the wait for it.
            has_ended = self._ended.is_set()
            try:
                frame = self._newest.get(timeout=POLL_S)
            except queue.Empty:
                if has_ended and self._error is not None:
                    raise self._error from None
                if has_ended:
                    return
                self._put_complete(time.monotonic_ns())
                if time.monotonic() - heard > self._silence_s:
                    raise LiveError(
                        f"no frame for {self._silence_s:.0f} s: is the camera plugged in to USB 3,"
                        " and does no other program (realsense2_camera, realsense-viewer) use it?"
                    ) from None
                continue
            yield frame
            heard = time.monotonic()

    @property
    def rate_hz(self) -> float:
        """Rate of the latest frames."""
        arrivals = list(self._arrivals)
        return (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) if len(arrivals) > 1 else 0.0

    def end(self, error: Exception | None = None) -> None:
        """Accepts no more frames; after the waiting one, iteration ends or raises `error`."""
        with self._lock:
            self._put_complete(time.monotonic_ns() + RIGHT_WAIT_NS)
            self._error = self._error or error
            self._ended.set()

    def close(self) -> None:
        """Stops the device."""
        self.end()
        # A device that was unplugged or has played to its end has stopped already.
        with suppress(RuntimeError):
            self._sensor.stop()
        with suppress(RuntimeError):
            self._sensor.close()

    def _depth_profile(self, request: Request | None) -> Any:
        depths = [p for p in self._video_profiles() if p.format() == self._rs.format.z16]
        wanted = [p for p in depths if request is None or _format_profile(p) == str(request)]
        if not wanted:
            offered = ", ".join(sorted({_format_profile(p) for p in depths})) or "none"
            raise LiveError(
                f"the device has no depth of {request or 'any size'}; it offers {offered}: choose "
                "one of these (a camera on USB 2 offers less than on USB 3)"
            )
        return wanted[0]

    def _infrared_profile(self, depth: Any, stream: Stream) -> Any:
        """The profile of an infrared stream with size and rate of depth, or None."""
        found = (
            p for p in self._video_profiles()
            if p.format() == self._rs.format.y8
            and p.stream_index() == stream.index
            and _format_profile(p) == _format_profile(depth)
        )  # fmt: skip
        return next(found, None)

    def _video_profiles(self) -> list[Any]:
        return [p.as_video_stream_profile() for p in self._sensor.get_stream_profiles()]

    def _camera(self, depth: Any, baseline_m: float | None) -> Camera:
        option = self._rs.option.stereo_baseline
        if baseline_m is None and self._sensor.supports(option):
            baseline_m = abs(self._sensor.get_option(option)) / 1000
        if not baseline_m:
            raise LiveError("the device reports no baseline: give --baseline")
        i = depth.get_intrinsics()
        return Camera(i.width, i.height, i.fx, i.fy, i.ppx, i.ppy, baseline_m)

    def _set_emitter(self, emitter: bool | None) -> None:
        if emitter is None:
            return
        option = self._rs.option.emitter_enabled
        if not self._sensor.supports(option):
            raise LiveError("the device has no emitter: leave out --emitter and --no-emitter")
        self._sensor.set_option(option, float(emitter))

    def _start(self) -> None:
        self._synchronizer.restart(time.monotonic_ns())
        try:
            self._sensor.open(self._streams)
            self._sensor.start(self._on_frame)
        except RuntimeError as error:
            raise LiveError(
                f"the camera does not start ({error}): does another program (realsense2_camera, "
                "realsense-viewer) use it?"
            ) from error
        self.started.set()

    def _on_frame(self, frame: Any) -> None:
        """Called in threads of librealsense, where an error would end the process."""
        try:
            self._take(frame)
        except Exception as error:
            self.end(error)

    def _take(self, frame: Any) -> None:
        stamp_ns = round(frame.timestamp * 1e6)
        now = time.monotonic_ns()
        image = np.array(frame.get_data())
        with self._lock:
            if frame.is_depth_frame():
                depth_mm = convert_units(image, frame.as_depth_frame().get_units())
                complete = self._synchronizer.add_depth(stamp_ns, depth_mm, now)
            elif frame.profile.stream_index() == INFRARED_RIGHT.index:
                complete = self._synchronizer.add_infrared_right(stamp_ns, image, now)
            else:
                complete = self._synchronizer.add_infrared(stamp_ns, image, now)
            for images in complete:
                self._put(images)

    def _put_complete(self, now_ns: int) -> None:
        """Passes on the frames that have waited for right infrared for long enough."""
        with self._lock:
            for images in self._synchronizer.take_complete(now_ns):
                self._put(images)

    def _put(self, images: SyncedImages[np.ndarray]) -> None:
        if self._ended.is_set() or self.paused.is_set():
            return
        self.received += 1
        self._arrivals.append(time.monotonic())
        with suppress(queue.Empty):
            self._newest.get_nowait()
            self.dropped += 1
        stamp_ns = images.stamp_ns
        frame = Frame(
            f"{stamp_ns}",
            self.camera,
            images.depth,
            images.infrared,
            infrared_right=images.infrared_right,
            stamp_ns=stamp_ns,
        )
        self._newest.put_nowait(frame)


def _format_profile(profile: Any) -> str:
    return f"{profile.width()}x{profile.height()} at {profile.fps()} Hz"
