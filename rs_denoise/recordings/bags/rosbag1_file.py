"""A .bag file of ROS 1, whole, cut off or without an index, read from its start.

Format 2.0 (wiki.ros.org/Bags/Format/2.0). `rosbags` needs the index at the end, which a recorder
that was killed did not write, and keeps it in memory: RealSense's own recordings have a dozen
small messages an image.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from rs_denoise.recordings.bags.compression import PackedError, unpack
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.skipped import Skipped

MAGIC = b"#ROSBAG V2.0\n"
MESSAGE, CHUNK, CONNECTION = 2, 5, 7
# A file without an index has no list of its topics: they are looked for at its start.
SCAN_BYTES = 1 << 30
# Headers take some kilobytes (message definitions), chunks some megabytes.
MOST_HEADER_BYTES, MOST_CHUNK_BYTES = 1 << 24, 1 << 30

Fields = dict[bytes, bytes]


class DamagedError(ValueError):
    """Bytes that are no record of a bag."""


class Rosbag1File:
    """Messages in the order in which they were written.

    Attributes:
        types: message type of each topic, named as in ROS 2.
        counts: empty; only reading it all would tell.

    Raises:
        RecordingError: nothing of it can be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        connections = self._connections_by_index() or self._connections_by_scan()
        if not connections:
            raise RecordingError(f"{path}: no message in it can be read; was it cut off early?")
        self.types = dict(connections)
        self.counts: dict[str, int] = {}

    def messages(
        self, topics: Collection[str], skipped: Skipped, most: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """Topic, time of arrival in ns, and the serialised message; `most` counts all topics'."""
        names: dict[bytes, str] = {}
        count = 0
        for fields, data in self._records(skipped):
            if fields[b"op"][0] == CONNECTION:
                names[fields[b"conn"]] = _connection(fields, data)[0]
            else:
                count += 1
                if most is not None and count > most:
                    return
                topic = names.get(fields[b"conn"], "")
                if topic in topics:
                    yield topic, _time_ns(fields[b"time"]), data

    def _connections_by_index(self) -> list[tuple[str, str]]:
        """Topics and types from the index at the end; empty where there is none."""
        try:
            with self._path.open("rb") as file:
                file.seek(len(MAGIC))
                fields, _ = _record(file)
                (count,) = struct.unpack("<I", fields[b"conn_count"])
                (position,) = struct.unpack("<Q", fields[b"index_pos"])
                file.seek(position)
                return [_connection(*_record(file)) for _ in range(count)] if position else []
        except (DamagedError, KeyError, struct.error, OverflowError, OSError):
            return []

    def _connections_by_scan(self) -> list[tuple[str, str]]:
        return [
            _connection(fields, data)
            for fields, data in self._records(Skipped(), SCAN_BYTES)
            if fields[b"op"][0] == CONNECTION
        ]

    def _records(
        self, skipped: Skipped, most_bytes: int | None = None
    ) -> Iterator[tuple[Fields, bytes]]:
        """Connections and messages; a damaged chunk is skipped, a cut file ends where it does."""
        with self._path.open("rb") as file:
            file.seek(len(MAGIC))
            size = self._path.stat().st_size
            while (start := file.tell()) < min(size, most_bytes or size):
                try:
                    fields, data = _record(file)
                except DamagedError as error:
                    skipped.add(
                        f"what follows byte {start} of {self._path.name}",
                        f"the file is cut off or damaged there ({error})",
                    )
                    return
                if fields[b"op"] == bytes([CHUNK]):
                    yield from self._of_chunk(fields, data, start, skipped)

    def _of_chunk(
        self, fields: Fields, data: bytes, start: int, skipped: Skipped
    ) -> Iterator[tuple[Fields, bytes]]:
        try:
            chunk = _unpacked(fields, data)
            while chunk.read(1):
                chunk.seek(-1, 1)
                inner = _record(chunk)
                if inner[0][b"op"][0] in (MESSAGE, CONNECTION):
                    yield inner
        except DamagedError as error:
            skipped.add(
                f"the rest of the chunk at byte {start} of {self._path.name}",
                f"it cannot be unpacked ({error})",
            )


def _record(file: BinaryIO) -> tuple[Fields, bytes]:
    fields = _fields(_sized(file, MOST_HEADER_BYTES))
    operation = fields.get(b"op", b"")
    needed = {bytes([MESSAGE]): (b"conn", b"time"), bytes([CONNECTION]): (b"conn", b"topic")}
    if len(operation) != 1 or any(name not in fields for name in needed.get(operation, ())):
        raise DamagedError("a record does not say what it is")
    return fields, _sized(file, MOST_CHUNK_BYTES)


def _sized(file: BinaryIO, most: int) -> bytes:
    """Bytes that are preceded by their number."""
    prefix = file.read(4)
    size = int.from_bytes(prefix, "little")
    if len(prefix) < 4 or size > most:
        raise DamagedError("no record begins there")
    data = file.read(size)
    if len(data) < size:
        raise DamagedError(f"a record ends after {len(data)} of {size} bytes")
    return data


def _fields(header: bytes) -> Fields:
    fields: Fields = {}
    position = 0
    while position + 4 <= len(header):
        (size,) = struct.unpack_from("<I", header, position)
        name, _, value = header[position + 4 : position + 4 + size].partition(b"=")
        fields[name] = value
        position += 4 + size
    return fields


def _connection(fields: Fields, data: bytes) -> tuple[str, str]:
    """Topic, and type as ROS 2 calls it."""
    kind = _fields(data).get(b"type", b"").decode(errors="replace")
    package, _, name = kind.partition("/")
    return fields[b"topic"].decode(errors="replace"), f"{package}/msg/{name}"


def _unpacked(fields: Fields, data: bytes) -> BytesIO:
    compression = fields.get(b"compression", b"none").decode(errors="replace")
    size = int.from_bytes(fields.get(b"size", b""), "little")
    try:
        return BytesIO(unpack(data, compression, min(size, MOST_CHUNK_BYTES)))
    except PackedError as error:
        raise DamagedError(str(error)) from error


def _time_ns(value: bytes) -> int:
    seconds, nanoseconds = struct.unpack("<II", value.ljust(8, b"\x00")[:8])
    return seconds * 1_000_000_000 + nanoseconds
