"""A .bag file of ROS 1, whole, truncated or without an index, read from its start.

`rosbags` is not used here: it needs the index at the end, which is missing if the recorder was
killed, and holds it in memory, which librealsense's dozen small messages per image would fill.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from functools import cached_property
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from rs_denoise.recordings.bags.rosbag1_records import (
    CHUNK,
    CONNECTION,
    MAGIC,
    MESSAGE,
    DamagedError,
    Fields,
    decompress_chunk,
    parse_chunk_info,
    parse_connection,
    parse_time_ns,
    read_chunk_times_ns,
    read_record,
)
from rs_denoise.recordings.bags.time_order import TimeIndex, are_unordered
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.skipped import Skipped

# A file without an index has no list of its topics; this much of its start is searched for them.
SCAN_BYTES = 1 << 30


class Rosbag1File:
    """The messages of the file, in the order of time, or as written if these differ little.

    Attributes:
        types: message type of each topic, named as in ROS 2.
        counts: number of messages of each topic; empty if the file has no whole index.
        ros1_topics: all topics.

    Raises:
        RecordingError: no message can be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.counts: dict[str, int] = {}
        connections = self._read_index() or self._scan_connections()
        if not connections:
            raise RecordingError(f"{path}: no message in it can be read; was it cut off early?")
        self.types = dict(connections)
        self.ros1_topics = set(self.types)
        with path.open("rb") as file:
            self._is_unordered = are_unordered(read_chunk_times_ns(file, path.stat().st_size))

    def messages(
        self, topics: Collection[str], skipped: Skipped, max_messages: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """Yields topic, time of arrival in ns, and serialised message (see `BagFile`)."""
        if not self._is_unordered:
            yield from self._read_as_written(topics, skipped, max_messages)
        else:
            skipped.update(self._time_index.skipped)
            yield from islice(self._read_in_time(topics), max_messages)

    def _read_as_written(
        self, topics: Collection[str], skipped: Skipped, max_messages: int | None
    ) -> Iterator[tuple[str, int, bytes]]:
        names: dict[bytes, str] = {}
        count = 0
        for _, _, fields, data in self._read_records(skipped):
            if fields[b"op"][0] == CONNECTION:
                names[fields[b"conn"]] = parse_connection(fields, data)[0]
            else:
                count += 1
                if max_messages is not None and count > max_messages:
                    return
                topic = names.get(fields[b"conn"], "")
                if topic in topics:
                    yield topic, parse_time_ns(fields[b"time"]), data

    def _read_in_time(self, topics: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
        with self._path.open("rb") as file:

            def read_chunk(position: int) -> bytes:
                file.seek(position)
                return decompress_chunk(*read_record(file))

            for topic, time_ns, chunk, place in self._time_index.read(topics, read_chunk):
                stream = BytesIO(chunk)
                stream.seek(place)
                yield topic, time_ns, read_record(stream)[1]

    @cached_property
    def _time_index(self) -> TimeIndex:
        """Where the messages are; the file is read once to find out."""
        index = TimeIndex()
        for position, place, fields, data in self._read_records(index.skipped):
            channel = int.from_bytes(fields[b"conn"], "little")
            if fields[b"op"][0] == CONNECTION:
                index.topics[channel] = parse_connection(fields, data)[0]
            else:
                index.add(channel, parse_time_ns(fields[b"time"]), position, place)
        return index

    def _read_index(self) -> list[tuple[str, str]]:
        """Topics and types from the index at the end, and `counts`; empty if there is none."""
        connections: list[tuple[str, str]] = []
        names: dict[bytes, str] = {}
        try:
            with self._path.open("rb") as file:
                file.seek(len(MAGIC))
                fields, _ = read_record(file)
                (position,) = struct.unpack("<Q", fields[b"index_pos"])
                (count,) = struct.unpack("<I", fields[b"conn_count"])
                (chunks,) = struct.unpack("<I", fields[b"chunk_count"])
                file.seek(position)
                for _ in range(count if position else 0):
                    record, data = read_record(file)
                    connections.append(parse_connection(record, data))
                    names[record[b"conn"]] = connections[-1][0]
                if connections:
                    self.counts = _count_messages(file, chunks, names)
        except (DamagedError, KeyError, struct.error, OverflowError, OSError):
            return []
        return connections

    def _scan_connections(self) -> list[tuple[str, str]]:
        return [
            parse_connection(fields, data)
            for _, _, fields, data in self._read_records(Skipped(), SCAN_BYTES)
            if fields[b"op"][0] == CONNECTION
        ]

    def _read_records(
        self, skipped: Skipped, max_bytes: int | None = None
    ) -> Iterator[tuple[int, int, Fields, bytes]]:
        """Yields connections and messages: position of the chunk, place in it, header, data."""
        for position, chunk in self._read_chunks(skipped, max_bytes):
            for place, fields, data in self._split_chunk(position, chunk, skipped):
                yield position, place, fields, data

    def _read_chunks(
        self, skipped: Skipped, max_bytes: int | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """Yields position and content of the chunks up to where the file ends."""
        with self._path.open("rb") as file:
            file.seek(len(MAGIC))
            size = self._path.stat().st_size
            while (start := file.tell()) < min(size, max_bytes or size):
                try:
                    fields, data = read_record(file)
                except DamagedError as error:
                    skipped.add(
                        f"what follows byte {start} of {self._path.name}",
                        f"the file is cut off or damaged there ({error})",
                    )
                    return
                if fields[b"op"] == bytes([CHUNK]):
                    try:
                        yield start, decompress_chunk(fields, data)
                    except DamagedError as error:
                        self._skip_chunk(start, error, skipped)

    def _split_chunk(
        self, start: int, chunk: bytes, skipped: Skipped
    ) -> Iterator[tuple[int, Fields, bytes]]:
        """Yields place, header and data of each connection and message of a chunk."""
        stream = BytesIO(chunk)
        try:
            while (place := stream.tell()) < len(chunk):
                fields, data = read_record(stream)
                if fields[b"op"][0] in (MESSAGE, CONNECTION):
                    yield place, fields, data
        except DamagedError as error:
            self._skip_chunk(start, error, skipped)

    def _skip_chunk(self, start: int, error: DamagedError, skipped: Skipped) -> None:
        skipped.add(
            f"the rest of the chunk at byte {start} of {self._path.name}",
            f"it cannot be unpacked ({error})",
        )


def _count_messages(file: BinaryIO, chunks: int, names: dict[bytes, str]) -> dict[str, int]:
    """The number of messages of each topic, from the index's records about `chunks` chunks."""
    counts = dict.fromkeys(names.values(), 0)
    try:
        for _ in range(chunks):
            for connection, count in parse_chunk_info(read_record(file)[1]):
                counts[names[connection]] += count
    except (DamagedError, KeyError):
        return {}
    return counts
