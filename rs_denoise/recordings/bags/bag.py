"""The messages of a ROS 1 or ROS 2 bag of one or more files, recognised by content."""

from __future__ import annotations

import re
import struct
import tempfile
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any, Protocol

import yaml
import zstandard
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from rs_denoise.recordings.bags import mcap_file, rosbag1_file, sqlite_file
from rs_denoise.recordings.bags.compression import DecompressionError, decompress
from rs_denoise.recordings.bags.messages import IMAGE
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.skipped import Skipped

ZSTD = b"\x28\xb5\x2f\xfd"
SUFFIXES = (".mcap", ".db3", ".bag", ".zstd", ".zst", ".active")
METADATA, INFORMATION = "metadata.yaml", "rosbag2_bagfile_information"
NOT_OF_THE_BAG = (
    "metadata.yaml does not list this file, or a compressed file next to it has the same messages"
)
MISSING = "metadata.yaml lists this file, but it does not exist"
# Noisy depth compresses to half its size; a file that expands far more may be a zip bomb.
MAX_EXPANSION = 1000
MAX_MESSAGE_BYTES = 1 << 28
# Messages that are sent once, such as camera_info or an option, come among the first.
FIRST_MESSAGES = 5000
SDK = "/device_"
EXTRINSICS = "realsense2_camera_msgs/msg/Extrinsics"


class BagFile(Protocol):
    """One file of messages, in the order of time, or as written if these differ little.

    Attributes:
        types: message type of each topic.
        counts: number of messages of each topic; empty if the file does not store it.
        ros1_topics: the topics whose messages are serialised as in ROS 1.
    """

    types: dict[str, str]
    counts: dict[str, int]
    ros1_topics: set[str]

    def messages(
        self, topics: Collection[str], skipped: Skipped, max_messages: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """Yields topic, time of arrival in ns, and serialised message.

        Args:
            topics: the topics to read.
            skipped: collects what cannot be read.
            max_messages: stop after this many messages of all topics; None: read all.
        """


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
        RecordingError: none of its files can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped: dict[str, str] = {}
        # Kept for the lifetime of the bag, because decompressing a file is slow.
        self._decompressed: tempfile.TemporaryDirectory[str] | None = None
        self._files: list[BagFile] = []
        files = bag_files(path)
        if path.is_dir():
            others = [file for file in _list_files(path) if file not in files]
            self.skipped |= {file.name: NOT_OF_THE_BAG for file in others}
            self.skipped |= dict.fromkeys(_list_missing(path, files), MISSING)
        for file in files:
            try:
                self._files.append(self._open(file))
            except (RecordingError, OSError) as error:
                self.skipped[file.name] = str(error)
        if not self._files:
            reasons = "; ".join(self.skipped.values()) or "expected .mcap, .db3 or .bag files"
            raise RecordingError(f"{path}: not a readable bag ({reasons})")
        self.types: dict[str, str] = {}
        for opened in self._files:
            self.types |= opened.types

    def messages(
        self, topics: Collection[str], skipped: Skipped, max_messages: int | None = None
    ) -> Iterator[tuple[str, int, Any]]:
        """Yields topic, time of arrival in ns, and message, in the order of `BagFile`.

        An Image written by librealsense up to 2.58 has an attribute `unit_m`, its depth unit in m.

        Args:
            topics: the topics to read.
            skipped: collects what cannot be read; the rest is read nevertheless.
            max_messages: stop each file after this many messages of all topics; None: read all.
        """
        for file in self._files:
            for topic, time_ns, raw in file.messages(topics, skipped, max_messages):
                kind, is_ros1 = file.types[topic], topic in file.ros1_topics
                try:
                    message = _parse_ros1(raw, kind, topic) if is_ros1 else _parse_ros2(raw, kind)
                except (SerdeError, KeyError, DecompressionError) as error:
                    skipped.add(f"{topic} {time_ns}", f"it cannot be deserialised ({error})")
                else:
                    yield topic, time_ns, message

    def count(self, topic: str) -> int | None:
        """Number of messages of a topic; None if this requires reading the whole bag."""
        counts = [file.counts.get(topic) for file in self._files if topic in file.types]
        known = [count for count in counts if count is not None]
        return sum(known) if known and len(known) == len(counts) else None

    @property
    def has_ros1_messages(self) -> bool:
        """Whether messages are serialised as in ROS 1."""
        return any(file.ros1_topics for file in self._files)

    def first_messages(self, topics: Collection[str]) -> dict[str, Any]:
        """The first message of each topic, if there is one near the start of the bag."""
        found: dict[str, Any] = {}
        if topics:
            for topic, _, message in self.messages(topics, Skipped(), FIRST_MESSAGES):
                found.setdefault(topic, message)
                if len(found) == len(topics):
                    break
        return found

    def _open(self, file: Path) -> BagFile:
        if _read_magic(file).startswith(ZSTD):
            file = self._decompress(file)
        head = _read_magic(file)
        for magic, open_file in FORMATS.items():
            if head.startswith(magic):
                return open_file(file)
        raise RecordingError(f"{file}: neither mcap nor sqlite nor ROS 1 by its first bytes")

    def _decompress(self, file: Path) -> Path:
        """Decompresses a .zstd file into a temporary folder; a truncated one as far as possible."""
        if self._decompressed is None:
            self._decompressed = tempfile.TemporaryDirectory(prefix="rs_denoise_")
        target = Path(self._decompressed.name) / file.stem
        max_bytes = file.stat().st_size * MAX_EXPANSION
        with file.open("rb") as compressed, target.open("wb") as out:
            reader = zstandard.ZstdDecompressor().stream_reader(compressed)
            try:
                while (block := reader.read(1 << 20)) and out.tell() <= max_bytes:
                    out.write(block)
            except zstandard.ZstdError:
                pass  # truncated
        if target.stat().st_size > max_bytes:
            raise RecordingError(f"{file}: unpacks to more than {MAX_EXPANSION} times its size")
        return target


def is_bag(path: Path) -> bool:
    """Whether the content is a bag: a file of one, or a folder of such files."""
    if path.is_dir():
        return (path / METADATA).is_file() or bool(bag_files(path))
    return path.is_file() and _read_magic(path).startswith((*FORMATS, ZSTD))


def bag_files(path: Path) -> list[Path]:
    """The files of a bag in order; for a single file, the file itself."""
    if not path.is_dir():
        return [path]
    files = _list_files(path)
    named = _read_file_names(path / METADATA)
    of_bag = [file for file in files if _without_zstd(file.name) in named] or files
    # Players unpack a compressed file next to it: the compressed one is the original.
    packed = {_without_zstd(file.name) for file in of_bag if _without_zstd(file.name) != file.name}
    return [file for file in of_bag if file.name not in packed]


def _list_files(folder: Path) -> list[Path]:
    """The files with a bag's suffix; not hidden ones, such as ._NAME.mcap, which macOS makes."""
    files = (file for file in folder.iterdir() if not file.name.startswith("."))
    of_bags = [file for file in files if file.suffix in SUFFIXES and file.is_file()]
    return sorted(of_bags, key=_natural_order)


def _read_file_names(metadata: Path) -> set[str]:
    """The files that metadata.yaml lists, without .zstd; empty if it cannot be read."""
    try:
        names = yaml.safe_load(metadata.read_text())[INFORMATION]["relative_file_paths"]
        return {_without_zstd(PurePosixPath(str(name)).name) for name in names}
    except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError):
        return set()


def _list_missing(folder: Path, files: list[Path]) -> list[str]:
    """The files that metadata.yaml lists but that do not exist; empty if it lists none."""
    named, present = _read_file_names(folder / METADATA), {_without_zstd(f.name) for f in files}
    return sorted(named - present) if named & present else []


def _without_zstd(name: str) -> str:
    return name.removesuffix(".zstd").removesuffix(".zst")


def _natural_order(file: Path) -> list:
    """Sorts the tenth file of a split bag after the ninth."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name)]


def _read_magic(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(16)


def _parse_ros1(raw: bytes, kind: str, topic: str) -> Any:
    if not (kind == IMAGE and topic.startswith(SDK)):
        return _ros1().deserialize_ros1(raw, kind)
    try:
        return _ros1().deserialize_ros1(raw, kind)
    except SerdeError:
        # librealsense up to 2.58 appends a float32 to an Image, the depth unit in m.
        message: Any = _ros1().deserialize_ros1(raw[:-4], kind)
        (unit_m,) = struct.unpack("<f", raw[-4:])
        return SimpleNamespace(**vars(message), unit_m=unit_m)


def _parse_ros2(raw: bytes, kind: str) -> Any:
    if raw.startswith(ZSTD):  # rosbag2's compression mode "message"
        raw = decompress(raw, "zstd", MAX_MESSAGE_BYTES)
    # These types are the same in all versions of ROS 2, so the definitions in bags are not needed.
    return _ros2().deserialize_cdr(memoryview(raw), kind)


@lru_cache
def _ros1() -> Typestore:
    return get_typestore(Stores.ROS1_NOETIC)


@lru_cache
def _ros2() -> Typestore:
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg("float64[9] rotation\nfloat64[3] translation", EXTRINSICS))
    return store
