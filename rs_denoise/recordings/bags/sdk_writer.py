"""Writes recordings of the RealSense SDK with librealsense's own recorder.

From librealsense 2.59 on they are SQLite databases of rosbag2. RealSense Viewer plays them.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain, islice
from pathlib import Path
from struct import pack
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
from rs_denoise.recordings.frame import Frame, RecordingError, add_missing_stamps

SUFFIX = ".db3"
# Each additional depth stream has its own sensor, whose name the Viewer shows.
GROUND_TRUTH = Stream("Ground Truth", "depth", 1)
DENOISED = Stream("Denoised", "depth", 2)
# librealsense needs the list of streams at the start: those of the first second are used.
LOOK_AHEAD = 30
# The recorder's queue is unbounded, and at the end it drops what it cannot write within 10 s.
FRAMES_IN_QUEUE = 8
# The player reads a message at time 0 as a setting, not as a frame.
FIRST_NS = 1_000_000

Images = dict[Stream, np.ndarray]


def write_sdk_recording(
    path: Path, frames: Iterable[Frame], denoise: Callable[[Frame], np.ndarray] | None = None
) -> int:
    """Writes frames as a recording of the SDK; returns their number.

    The streams are depth (in whole mm, with the baseline) and, if present, infrared 1 and 2, ground
    truth and denoised depth. Stamps are exact to the microsecond, intrinsics to six digits.

    Args:
        path: ends in .db3.
        frames: of one camera; those without a stamp play at 30 Hz.
        denoise: returns a frame's denoised depth, [H, W] mm, 0 = invalid; or None.

    Raises:
        RecordingError: `path` exists or does not end in .db3, there is no frame, the camera
            changes, a stream begins after the first 30 frames, or not all could be written.
        LibrealsenseMissing: it is not installed.
    """
    if path.suffix != SUFFIX:
        raise RecordingError(f"{path}: librealsense's recordings end in {SUFFIX}")
    if path.exists():
        raise RecordingError(f"{path}: exists already; remove it first")
    source = ((frame, _collect_images(frame, denoise)) for frame in add_missing_stamps(frames))
    head = list(islice(source, LOOK_AHEAD))
    if not head:
        raise RecordingError(f"{path}: there is no frame to write")
    streams = {stream: None for _, images in head for stream in images}
    software = SoftwareCamera(head[0][0].camera, tuple(streams))
    try:
        stamps = _record(path, software, chain(head, source))
        _set_times(path, software, stamps)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return len(stamps[DEPTH])


def _collect_images(frame: Frame, denoise: Callable[[Frame], np.ndarray] | None) -> Images:
    images = {
        DEPTH: to_uint16_mm(frame.depth_mm),
        INFRARED: frame.infrared,
        INFRARED_RIGHT: frame.infrared_right,
        GROUND_TRUTH: frame.ground_truth_mm,
        DENOISED: to_uint16_mm(denoise(frame)) if denoise else None,
    }
    return {stream: image for stream, image in images.items() if image is not None}


def _record(
    path: Path, software: SoftwareCamera, source: Iterable[tuple[Frame, Images]]
) -> dict[Stream, list[int]]:
    """Records the images; returns the stamps of each stream, in ns.

    The recorder writes until it is deleted.
    """
    rs = import_pyrealsense2()
    recorder = rs.recorder(str(path), software.device)
    sensors = recorder.query_sensors()
    for sensor in sensors:
        sensor.open(software.profiles_of(sensor.get_info(rs.camera_info.name)))
        sensor.start(rs.frame_queue(1))
    stamps: dict[Stream, list[int]] = defaultdict(list)
    try:
        for number, (frame, images) in enumerate(source, start=1):
            _check_streams(frame, images, software)
            for stream, image in images.items():
                assert frame.stamp_ns is not None
                software.put(stream, image, frame.stamp_ns, number)
                stamps[stream].append(frame.stamp_ns)
            if number % FRAMES_IN_QUEUE == 0:
                # Pausing waits until the queue is written.
                recorder.pause()
                recorder.resume()
    finally:
        for sensor in sensors:
            sensor.stop()
            sensor.close()
    return stamps


def _check_streams(frame: Frame, images: Images, software: SoftwareCamera) -> None:
    if frame.camera != software.camera:
        raise RecordingError(
            f"frame {frame.name}: a recording of the SDK has one camera; this frame's is "
            f"{frame.camera}, the first one's {software.camera}"
        )
    new = [stream for stream in images if stream not in software.profiles]
    if new:
        raise RecordingError(
            f"frame {frame.name}: the {new[0].kind} stream of '{new[0].sensor}' begins here, but "
            f"a recording of the SDK has to begin with all its streams (within {LOOK_AHEAD} "
            "frames): leave out what is before, or write a rosbag2"
        )


def _set_times(path: Path, software: SoftwareCamera, stamps: dict[Stream, list[int]]) -> None:
    """Sets the time of each message to the stamp of its frame; fails if a message is missing.

    The recorder stores when it received a frame, so the Viewer would play the recording as fast
    as it was written.
    """
    origin = min(min(times) for times in stamps.values()) - FIRST_NS
    try:
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            for stream, times in stamps.items():
                for topic in _frame_topics(database, software, stream):
                    _set_topic_times(database, path, topic, [t - origin for t in times])
    except sqlite3.OperationalError as error:
        raise RecordingError(f"{path}: not completed ({error}): is the disk full?") from error
    except sqlite3.DatabaseError as error:
        raise RecordingError(
            f"{path}: librealsense {import_pyrealsense2().__version__} wrote no SQLite database "
            f"({error}): 2.59 or newer is needed"
        ) from error


def _frame_topics(
    database: Any, software: SoftwareCamera, stream: Stream
) -> list[tuple[int, str, str]]:
    """Number, name and type of each topic that has one message per frame."""
    sensor = list(software.sensors).index(stream.sensor)
    prefix = f"/device_0/sensor_{sensor}/{stream.kind.capitalize()}_{stream.index}/image/"
    found = database.execute(
        "SELECT id, name, type FROM topics WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
    )
    return found.fetchall() or [(-1, prefix, "")]


def _set_topic_times(
    database: Any, path: Path, topic: tuple[int, str, str], times: list[int]
) -> None:
    number, name, kind = topic
    rows = database.execute("SELECT id FROM messages WHERE topic_id = ? ORDER BY id", (number,))
    rows = [row for (row,) in rows]
    if len(rows) != len(times):
        raise RecordingError(
            f"{path}: librealsense recorded {len(rows)} of {len(times)} frames on {name}: is the "
            "disk full or very slow?"
        )
    for row, time_ns in zip(rows, times, strict=True):
        database.execute("UPDATE messages SET timestamp = ? WHERE id = ?", (time_ns, row))
        if kind != "std_msgs/msg/String":
            (data,) = database.execute("SELECT data FROM messages WHERE id = ?", (row,)).fetchone()
            # In CDR, header.stamp follows four bytes that declare the encoding.
            stamp = pack("<iI", *divmod(time_ns, 1_000_000_000))
            data = data[:4] + stamp + data[12:]
            database.execute("UPDATE messages SET data = ? WHERE id = ?", (data, row))
