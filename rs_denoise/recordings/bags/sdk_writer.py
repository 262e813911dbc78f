"""Recordings of the RealSense SDK, written by librealsense's own recorder.

From librealsense 2.59 on they are SQLite databases of rosbag2. RealSense Viewer plays them.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np

from rs_denoise.librealsense import (
    DEPTH,
    INFRARED,
    INFRARED_RIGHT,
    SoftwareCamera,
    Stream,
    pyrealsense2,
)
from rs_denoise.recordings.frame import Frame, RecordingError

SUFFIX = ".db3"
RATE_HZ = 30.0
# Further depth streams have sensors of their own, by whose names the Viewer lists them.
GROUND_TRUTH = Stream("Ground Truth", "depth", 1)
DENOISED = Stream("Denoised", "depth", 2)
# librealsense wants to know the streams at the start: those of the first second.
LOOK_AHEAD = 30
# The recorder's queue has no bound, and what it cannot write within 10 s of its end it drops.
FRAMES_IN_QUEUE = 8
# The player takes what has no time for a setting, not a frame.
FIRST_NS = 1_000_000

Images = dict[Stream, np.ndarray]


def write_sdk_recording(
    path: Path, frames: Iterable[Frame], denoise: Callable[[Frame], np.ndarray] | None = None
) -> int:
    """Writes frames as a recording of the SDK; gives their number.

    Its streams are depth (in mm, with the baseline), infrared 1 and 2, ground truth and denoised
    depth, as far as there are any. All pixels are kept, stamps to the microsecond, and intrinsics
    to six digits.

    Args:
        path: ends in .db3.
        frames: of one camera. What has no stamp comes at 30 Hz.
        denoise: gives [H, W] uint16 mm of a frame, 0 = invalid.

    Raises:
        RecordingError: `path` exists or does not end in .db3, there is no frame, the camera
            changes, a stream begins after the first 30 frames, or not all could be written.
        LibrealsenseMissing: it is not installed.
    """
    if path.suffix != SUFFIX:
        raise RecordingError(f"{path}: librealsense's recordings end in {SUFFIX}")
    if path.exists():
        raise RecordingError(f"{path}: exists already; remove it first")
    source = ((frame, _images(frame, denoise)) for frame in stamped(frames))
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


def stamped(frames: Iterable[Frame], rate_hz: float = RATE_HZ) -> Iterator[Frame]:
    """The frames with stamps: one that has none comes a period after the one before it."""
    # Not from 0, which ROS takes for no time at all.
    next_ns = 1_000_000_000
    for frame in frames:
        if frame.stamp_ns is None:
            frame = replace(frame, stamp_ns=next_ns)
        assert frame.stamp_ns is not None
        next_ns = frame.stamp_ns + round(1e9 / rate_hz)
        yield frame


def _images(frame: Frame, denoise: Callable[[Frame], np.ndarray] | None) -> Images:
    images = {
        DEPTH: frame.depth_mm,
        INFRARED: frame.infrared,
        INFRARED_RIGHT: frame.infrared_right,
        GROUND_TRUTH: frame.ground_truth_mm,
        DENOISED: denoise(frame) if denoise else None,
    }
    return {stream: image for stream, image in images.items() if image is not None}


def _record(
    path: Path, software: SoftwareCamera, source: Iterable[tuple[Frame, Images]]
) -> dict[Stream, list[int]]:
    """Plays the images to a recorder, which writes as long as it lives; gives all stamps, in ns."""
    rs = pyrealsense2()
    recorder = rs.recorder(str(path), software.device)
    sensors = recorder.query_sensors()
    for sensor in sensors:
        sensor.open(software.profiles_of(sensor.get_info(rs.camera_info.name)))
        sensor.start(rs.frame_queue(1))
    stamps: dict[Stream, list[int]] = defaultdict(list)
    try:
        for number, (frame, images) in enumerate(source, start=1):
            _check(frame, images, software)
            for stream, image in images.items():
                assert frame.stamp_ns is not None
                software.put(stream, image, frame.stamp_ns, number)
                stamps[stream].append(frame.stamp_ns)
            if number % FRAMES_IN_QUEUE == 0:
                # Pausing waits until everything is written.
                recorder.pause()
                recorder.resume()
    finally:
        for sensor in sensors:
            sensor.stop()
            sensor.close()
    return stamps


def _check(frame: Frame, images: Images, software: SoftwareCamera) -> None:
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
    """Sets when each message plays, and finds what is lost.

    The recorder notes when it was given a frame, as if by a camera: the Viewer would show a
    recording as fast as it was written.
    """
    origin = min(min(times) for times in stamps.values()) - FIRST_NS
    try:
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            for stream, times in stamps.items():
                for topic in _topics(database, software, stream):
                    _set_topic_times(database, path, topic, [t - origin for t in times])
    except sqlite3.OperationalError as error:
        raise RecordingError(f"{path}: not completed ({error}): is the disk full?") from error
    except sqlite3.DatabaseError as error:
        raise RecordingError(
            f"{path}: librealsense {pyrealsense2().__version__} wrote no SQLite database "
            f"({error}): 2.59 or newer is needed"
        ) from error


def _topics(database: Any, software: SoftwareCamera, stream: Stream) -> list[tuple[int, str, str]]:
    """Number, name and type of each topic that has a message a frame."""
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
            # In CDR, header.stamp follows four bytes that say how it is encoded.
            stamp = pack("<iI", *divmod(time_ns, 1_000_000_000))
            data = data[:4] + stamp + data[12:]
            database.execute("UPDATE messages SET data = ? WHERE id = ?", (data, row))
