"""The records of a .bag file of ROS 1: format 2.0 (wiki.ros.org/Bags/Format/2.0)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from rs_denoise.recordings.bags.compression import DecompressionError, decompress

MAGIC = b"#ROSBAG V2.0\n"
MESSAGE, INDEX_DATA, CHUNK, CONNECTION = 2, 4, 5, 7
# Headers (message definitions) take some kilobytes, chunks some megabytes.
MAX_HEADER_BYTES, MAX_CHUNK_BYTES = 1 << 24, 1 << 30

Fields = dict[bytes, bytes]


class DamagedError(ValueError):
    """The data is not a valid record of a bag."""


def read_record(file: BinaryIO) -> tuple[Fields, bytes]:
    """Reads the record that begins here: its header, and its data.

    Raises:
        DamagedError: no record begins here, or the file ends within it.
    """
    return _read_header(file), _read_block(file, MAX_CHUNK_BYTES)


def read_chunk_times_ns(file: BinaryIO, size: int) -> Iterator[int]:
    """Yields a time of each chunk of a file of `size` bytes, without reading the chunks.

    The index data that follows a chunk has the times of its messages.
    """
    file.seek(len(MAGIC))
    after_chunk = False
    try:
        while file.tell() < size:
            fields = _read_header(file)
            length = int.from_bytes(file.read(4), "little")
            end = file.tell() + length
            if fields[b"op"] == bytes([INDEX_DATA]) and after_chunk and length >= 8:
                yield parse_time_ns(file.read(8))
                after_chunk = False
            after_chunk = after_chunk or fields[b"op"] == bytes([CHUNK])
            file.seek(end)
    except DamagedError:
        return


def _read_header(file: BinaryIO) -> Fields:
    fields = _parse_fields(_read_block(file, MAX_HEADER_BYTES))
    operation = fields.get(b"op", b"")
    needed = {bytes([MESSAGE]): (b"conn", b"time"), bytes([CONNECTION]): (b"conn", b"topic")}
    if len(operation) != 1 or any(name not in fields for name in needed.get(operation, ())):
        raise DamagedError("a record lacks required fields")
    return fields


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


def parse_connection(fields: Fields, data: bytes) -> tuple[str, str]:
    """Topic, and message type by its ROS 2 name."""
    kind = _parse_fields(data).get(b"type", b"").decode(errors="replace")
    package, _, name = kind.partition("/")
    return fields[b"topic"].decode(errors="replace"), f"{package}/msg/{name}"


def parse_chunk_info(data: bytes) -> list[tuple[bytes, int]]:
    """The connections that have messages in a chunk, and how many."""
    pairs = (data[start : start + 8] for start in range(0, len(data), 8))
    return [(pair[:4], int.from_bytes(pair[4:], "little")) for pair in pairs]


def decompress_chunk(fields: Fields, data: bytes) -> bytes:
    """The records in a chunk, from its header and data.

    Raises:
        DamagedError: it cannot be decompressed, or would become too large.
    """
    compression = fields.get(b"compression", b"none").decode(errors="replace")
    size = int.from_bytes(fields.get(b"size", b""), "little")
    try:
        return decompress(data, compression, min(size, MAX_CHUNK_BYTES))
    except DecompressionError as error:
        raise DamagedError(str(error)) from error


def parse_time_ns(value: bytes) -> int:
    """Nanoseconds of a time as ROS 1 stores it: seconds and nanoseconds, each of 32 bits."""
    seconds, nanoseconds = struct.unpack("<II", value.ljust(8, b"\x00")[:8])
    return seconds * 1_000_000_000 + nanoseconds
