"""Devices of librealsense to stream from: a camera, a recording of the SDK, or any recording."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from rs_denoise.depth import to_uint16_mm
from rs_denoise.librealsense import (
    DEPTH,
    INFRARED,
    INFRARED_RIGHT,
    SoftwareCamera,
    Stream,
    import_pyrealsense2,
)
from rs_denoise.live.camera_stream import POLL_S, CameraStream, LiveError, Request
from rs_denoise.recordings.bags.sdk_writer import LOOK_AHEAD
from rs_denoise.recordings.frame import DEFAULT_RATE_HZ, Frame, add_missing_stamps

# Longer gaps of a recording are shortened to this.
MAX_GAP_S = 1.0


@contextmanager
def live_camera(
    serial: str | None, request: Request, baseline_m: float | None = None
) -> Iterator[CameraStream]:
    """Opens the camera with this serial number, or the first one.

    Raises:
        LiveError: there is none, or it does not have the requested profile.
    """
    rs = import_pyrealsense2()
    context = rs.context()
    devices = {d.get_info(rs.camera_info.serial_number): d for d in context.query_devices()}
    if not devices:
        raise LiveError(
            "no camera found: check the cable (USB 3), librealsense's udev rules, and that no "
            "other program (realsense2_camera, realsense-viewer) uses it; or give a recording"
        )
    if serial not in (None, *devices):
        raise LiveError(f"no camera has serial number {serial}; there is {', '.join(devices)}")
    device = devices[serial] if serial else next(iter(devices.values()))
    stream = CameraStream(device, request, baseline_m)

    def changed(event: Any) -> None:
        if event.was_removed(device):
            stream.end(LiveError("the camera was unplugged, or lost its power"))

    context.set_devices_changed_callback(changed)
    try:
        yield stream
    finally:
        stream.close()


@contextmanager
def sdk_playback(path: Path, baseline_m: float | None = None) -> Iterator[CameraStream]:
    """Plays a recording of the SDK with librealsense, at its original speed.

    Raises:
        LiveError: librealsense cannot play it, or it has no depth.
    """
    rs = import_pyrealsense2()
    try:
        device = rs.context().load_device(str(path)).as_playback()
    except RuntimeError as error:
        raise LiveError(
            f"{path}: librealsense cannot play it ({error}); --software plays other recordings"
        ) from error
    stream = CameraStream(device, None, baseline_m)

    def changed(status: Any) -> None:
        if status == rs.playback_status.stopped:
            stream.end()

    device.set_status_changed_callback(changed)
    try:
        yield stream
    finally:
        stream.close()


@contextmanager
def software_camera(
    frames: Iterable[Frame], rate_hz: float = DEFAULT_RATE_HZ
) -> Iterator[CameraStream]:
    """A software device that plays frames of one camera by their stamps, or at `rate_hz`.

    Raises:
        LiveError: there are no frames.
    """
    source = add_missing_stamps(frames, rate_hz)
    head = list(islice(source, LOOK_AHEAD))
    if not head:
        raise LiveError("there is no frame to play")
    streams = {stream: None for frame in head for stream in _collect_images(frame)}
    software = SoftwareCamera(head[0].camera, tuple(streams), round(rate_hz))
    stream = CameraStream(software.device)
    stopped = threading.Event()
    arguments = (software, chain(head, source), stream, stopped)
    player = threading.Thread(target=_play, args=arguments, daemon=True)
    player.start()
    try:
        yield stream
    finally:
        stopped.set()
        stream.started.set()
        player.join()
        stream.close()


def _play(
    software: SoftwareCamera,
    frames: Iterable[Frame],
    stream: CameraStream,
    stopped: threading.Event,
) -> None:
    stream.started.wait()
    due_s, before_ns = time.monotonic(), None
    try:
        for number, frame in enumerate(frames, start=1):
            assert frame.stamp_ns is not None
            if frame.camera != software.camera:
                raise LiveError(
                    f"frame {frame.name} is from another camera than the frames before it"
                )
            if before_ns is not None:
                due_s += min(max(frame.stamp_ns - before_ns, 0) / 1e9, MAX_GAP_S)
            before_ns = frame.stamp_ns
            if stopped.wait(max(due_s - time.monotonic(), 0)):
                return
            while stream.paused.is_set():
                if stopped.wait(POLL_S):
                    return
                due_s = time.monotonic()
            for kind, image in _collect_images(frame).items():
                if kind in software.profiles:
                    software.put(kind, image, frame.stamp_ns, number)
        stream.end()
    except Exception as error:
        stream.end(error)


def _collect_images(frame: Frame) -> dict[Stream, np.ndarray]:
    images = {
        DEPTH: to_uint16_mm(frame.depth_mm),
        INFRARED: frame.infrared,
        INFRARED_RIGHT: frame.infrared_right,
    }
    return {stream: image for stream, image in images.items() if image is not None}
