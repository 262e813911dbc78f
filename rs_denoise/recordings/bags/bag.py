"""The messages of a bag: ROS 1 or ROS 2, one file or several, told apart by their first bytes."""

from __future__ import annotations

import re
import struct
import tempfile
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import zstandard
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from rs_denoise.recordings.bags import mcap_file, rosbag1_file, sqlite_file
from rs_denoise.recordings.bags.compression import PackedError, unpack
from rs_denoise.recordings.bags.messages import IMAGE
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.skipped import Skipped

ZSTD = b"\x28\xb5\x2f\xfd"
SUFFIXES = (".mcap", ".db3", ".bag", ".zstd", ".zst", ".active")
METADATA = "metadata.yaml"
# Depth of noise packs to a half; what unpacks to much more than that is meant to fill a disk.
MOST_RATIO = 1000
MOST_MESSAGE_BYTES = 1 << 28
# What comes once, such as a camera_info or an option, comes among the first messages.
FIRST_MESSAGES = 5000
SDK = "/device_"
EXTRINSICS = "realsense2_camera_msgs/msg/Extrinsics"


class BagFile(Protocol):
    """One file of messages, in the order in which they were written."""

    types: dict[str, str]
    counts: dict[str, int]

    def messages(
        self, topics: Collection[str], skipped: Skipped, most: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """Topic, time of arrival in ns, and the serialised message; `most` counts all topics'."""


FORMATS: dict[bytes, Callable[[Path], BagFile]] = {
    mcap_file.MAGIC: mcap_file.McapFile,
    sqlite_file.MAGIC: sqlite_file.SqliteFile,
    rosbag1_file.MAGIC: rosbag1_file.Rosbag1File,
}


class Bag:
    """A bag that can be read more than once.

    Attributes:
        path: of the file or folder.
        types: message type of each topic.
        skipped: files of the bag that cannot be read at all, with the reason.

    Raises:
        RecordingError: no file of it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped: dict[str, str] = {}
        # Lives as long as the bag: unpacking once is slow enough.
        self._unpacked: tempfile.TemporaryDirectory[str] | None = None
        self._files: list[BagFile] = []
        for file in bag_files(path):
            try:
                self._files.append(self._opened(file))
            except (RecordingError, OSError) as error:
                self.skipped[file.name] = str(error)
        if not self._files:
            reasons = "; ".join(self.skipped.values()) or "expected .mcap, .db3 or .bag files"
            raise RecordingError(f"{path}: not a readable bag ({reasons})")
        self.types: dict[str, str] = {}
        for opened in self._files:
            self.types |= opened.types

    def messages(
        self, topics: Collection[str], skipped: Skipped, most: int | None = None
    ) -> Iterator[tuple[str, int, Any]]:
        """Topic, time of arrival in ns, and message, in the order in which they were written.

        An Image of librealsense has its depth unit in m as `unit_m`.

        Args:
            topics: whose messages are given.
            skipped: takes what cannot be read; the rest is given nevertheless.
            most: so many messages of any topic are looked at in each file; None: all.
        """
        for file in self._files:
            of_ros1 = isinstance(file, rosbag1_file.Rosbag1File)
            for topic, time_ns, raw in file.messages(topics, skipped, most):
                kind = file.types[topic]
                try:
                    message = _of_ros1(raw, kind, topic) if of_ros1 else _of_ros2(raw, kind)
                except (SerdeError, KeyError, PackedError) as error:
                    skipped.add(f"{topic} {time_ns}", f"it cannot be deserialised ({error})")
                else:
                    yield topic, time_ns, message

    def count(self, topic: str) -> int | None:
        """How many messages a topic has; None where only reading it all would tell."""
        counts = [file.counts.get(topic) for file in self._files if topic in file.types]
        known = [count for count in counts if count is not None]
        return sum(known) if known and len(known) == len(counts) else None

    def first(self, topics: Collection[str]) -> dict[str, Any]:
        """The first message of each topic, where one comes early in the bag."""
        found: dict[str, Any] = {}
        if topics:
            for topic, _, message in self.messages(topics, Skipped(), FIRST_MESSAGES):
                found.setdefault(topic, message)
                if len(found) == len(topics):
                    break
        return found

    def _opened(self, file: Path) -> BagFile:
        if _head(file).startswith(ZSTD):
            file = self._unpack(file)
        head = _head(file)
        for magic, format_of in FORMATS.items():
            if head.startswith(magic):
                return format_of(file)
        raise RecordingError(f"{file}: neither mcap nor sqlite nor ROS 1 by its first bytes")

    def _unpack(self, file: Path) -> Path:
        """The file within a .zstd, as far as it goes, in a folder for temporary files."""
        if self._unpacked is None:
            self._unpacked = tempfile.TemporaryDirectory(prefix="rs_denoise_")
        target = Path(self._unpacked.name) / file.stem
        most = file.stat().st_size * MOST_RATIO
        with file.open("rb") as packed, target.open("wb") as out:
            reader = zstandard.ZstdDecompressor().stream_reader(packed)
            try:
                while (block := reader.read(1 << 20)) and out.tell() <= most:
                    out.write(block)
            except zstandard.ZstdError:
                pass  # cut off: the file within is read as far as it goes
        if target.stat().st_size > most:
            raise RecordingError(f"{file}: unpacks to more than {MOST_RATIO} times its size")
        return target


def is_bag(path: Path) -> bool:
    """Whether it is a bag by what it holds: a file of one, or a folder of them."""
    if path.is_dir():
        return (path / METADATA).is_file() or bool(bag_files(path))
    return path.is_file() and _head(path).startswith((*FORMATS, ZSTD))


def bag_files(path: Path) -> list[Path]:
    """The files of a bag in their order; a file is a bag by itself."""
    if not path.is_dir():
        return [path]
    files = [file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file()]
    return sorted(files, key=_natural)


def _natural(file: Path) -> list:
    """So that the tenth file of a split bag comes after the ninth."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name)]


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(16)


def _of_ros1(raw: bytes, kind: str, topic: str) -> Any:
    if not (kind == IMAGE and topic.startswith(SDK)):
        return _ros1().deserialize_ros1(raw, kind)
    try:
        return _ros1().deserialize_ros1(raw, kind)
    except SerdeError:
        # librealsense up to 2.58 adds a float32 to an Image, the depth unit in m.
        message: Any = _ros1().deserialize_ros1(raw[:-4], kind)
        (unit_m,) = struct.unpack("<f", raw[-4:])
        return SimpleNamespace(**vars(message), unit_m=unit_m)


def _of_ros2(raw: bytes, kind: str) -> Any:
    if raw.startswith(ZSTD):  # rosbag2's compression mode "message"
        raw = unpack(raw, "zstd", MOST_MESSAGE_BYTES)
    # The definitions that bags carry are not needed: these types are the same in all of ROS 2.
    return _ros2().deserialize_cdr(memoryview(raw), kind)


@lru_cache
def _ros1() -> Typestore:
    return get_typestore(Stores.ROS1_NOETIC)


@lru_cache
def _ros2() -> Typestore:
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg("float64[9] rotation\nfloat64[3] translation", EXTRINSICS))
    return store
