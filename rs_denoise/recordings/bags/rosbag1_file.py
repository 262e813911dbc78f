"""A .bag file of ROS 1, whole, truncated or without an index, read from its start.

Format 2.0 (wiki.ros.org/Bags/Format/2.0). `rosbags` is not used here: it needs the index at the
end, which a recorder that was killed did not write, and holds it in memory, where the dozen small
messages that librealsense records with each image take much of it.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from rs_denoise.recordings.bags.compression import DecompressionError, decompress
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.skipped import Skipped

MAGIC = b"#ROSBAG V2.0\n"
MESSAGE, CHUNK, CONNECTION = 2, 5, 7
# A file without an index has no list of its topics; so much of its start is searched for them.
SCAN_BYTES = 1 << 30
# Headers (message definitions) take some kilobytes, chunks some megabytes.
MAX_HEADER_BYTES, MAX_CHUNK_BYTES = 1 << 24, 1 << 30

Fields = dict[bytes, bytes]


class DamagedError(ValueError):
    """The data is not a valid record of a bag."""


class Rosbag1File:
    """The messages of the file, in the order of writing.

    Attributes:
        types: message type of each topic, named as in ROS 2.
        counts: empty; the file does not store them.

    Raises:
        RecordingError: no message can be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        connections = self._read_index() or self._scan_connections()
        if not connections:
            raise RecordingError(f"{path}: no message in it can be read; was it cut off early?")
        self.types = dict(connections)
        self.counts: dict[str, int] = {}

    def messages(
        self, topics: Collection[str], skipped: Skipped, max_messages: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """Yields topic, time of arrival in ns, and serialised message (see `BagFile`)."""
        names: dict[bytes, str] = {}
        count = 0
        for fields, data in self._read_records(skipped):
            if fields[b"op"][0] == CONNECTION:
                names[fields[b"conn"]] = _parse_connection(fields, data)[0]
            else:
                count += 1
                if max_messages is not None and count > max_messages:
                    return
                topic = names.get(fields[b"conn"], "")
                if topic in topics:
                    yield topic, _parse_time_ns(fields[b"time"]), data

    def _read_index(self) -> list[tuple[str, str]]:
        """Topics and types from the index at the end; empty if there is none."""
        try:
            with self._path.open("rb") as file:
                file.seek(len(MAGIC))
                fields, _ = _read_record(file)
                (count,) = struct.unpack("<I", fields[b"conn_count"])
                (position,) = struct.unpack("<Q", fields[b"index_pos"])
                file.seek(position)
                return (
                    [_parse_connection(*_read_record(file)) for _ in range(count)]
                    if position
                    else []
                )
        except (DamagedError, KeyError, struct.error, OverflowError, OSError):
            return []

    def _scan_connections(self) -> list[tuple[str, str]]:
        return [
            _parse_connection(fields, data)
            for fields, data in self._read_records(Skipped(), SCAN_BYTES)
            if fields[b"op"][0] == CONNECTION
        ]

    def _read_records(
        self, skipped: Skipped, max_bytes: int | None = None
    ) -> Iterator[tuple[Fields, bytes]]:
        """Yields connections and messages up to where the file ends; skips damaged chunks."""
        with self._path.open("rb") as file:
            file.seek(len(MAGIC))
            size = self._path.stat().st_size
            while (start := file.tell()) < min(size, max_bytes or size):
                try:
                    fields, data = _read_record(file)
                except DamagedError as error:
                    skipped.add(
                        f"what follows byte {start} of {self._path.name}",
                        f"the file is cut off or damaged there ({error})",
                    )
                    return
                if fields[b"op"] == bytes([CHUNK]):
                    yield from self._read_chunk(fields, data, start, skipped)

    def _read_chunk(
        self, fields: Fields, data: bytes, start: int, skipped: Skipped
    ) -> Iterator[tuple[Fields, bytes]]:
        try:
            chunk = _decompress_chunk(fields, data)
            while chunk.read(1):
                chunk.seek(-1, 1)
                inner = _read_record(chunk)
                if inner[0][b"op"][0] in (MESSAGE, CONNECTION):
                    yield inner
        except DamagedError as error:
            skipped.add(
                f"the rest of the chunk at byte {start} of {self._path.name}",
                f"it cannot be unpacked ({error})",
            )


def _read_record(file: BinaryIO) -> tuple[Fields, bytes]:
    fields = _parse_fields(_read_block(file, MAX_HEADER_BYTES))
    operation = fields.get(b"op", b"")
    needed = {bytes([MESSAGE]): (b"conn", b"time"), bytes([CONNECTION]): (b"conn", b"topic")}
    if len(operation) != 1 or any(name not in fields for name in needed.get(operation, ())):
        raise DamagedError("a record lacks required fields")
    return fields, _read_block(file, MAX_CHUNK_BYTES)


def _read_block(file: BinaryIO, max_bytes: int) -> bytes:
    """Reads a block of data that its length precedes."""
    prefix = file.read(4)
    size = int.from_bytes(prefix, "little")
    if len(prefix) < 4 or size > max_bytes:
        raise DamagedError("no record begins there")
    data = file.read(size)
    if len(data) < size:
        raise DamagedError(f"a record ends after {len(data)} of {size} bytes")
    return data


def _parse_fields(header: bytes) -> Fields:
    fields: Fields = {}
    position = 0
    while position + 4 <= len(header):
        (size,) = struct.unpack_from("<I", header, position)
        name, _, value = header[position + 4 : position + 4 + size].partition(b"=")
        fields[name] = value
        position += 4 + size
    return fields


def _parse_connection(fields: Fields, data: bytes) -> tuple[str, str]:
    """Topic, and message type by its ROS 2 name."""
    kind = _parse_fields(data).get(b"type", b"").decode(errors="replace")
    package, _, name = kind.partition("/")
    return fields[b"topic"].decode(errors="replace"), f"{package}/msg/{name}"


def _decompress_chunk(fields: Fields, data: bytes) -> BytesIO:
    compression = fields.get(b"compression", b"none").decode(errors="replace")
    size = int.from_bytes(fields.get(b"size", b""), "little")
    try:
        return BytesIO(decompress(data, compression, min(size, MAX_CHUNK_BYTES)))
    except DecompressionError as error:
        raise DamagedError(str(error)) from error


def _parse_time_ns(value: bytes) -> int:
    seconds, nanoseconds = struct.unpack("<II", value.ljust(8, b"\x00")[:8])
    return seconds * 1_000_000_000 + nanoseconds
