"""Reads the records of an .mcap file from its start, without the index at its end."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, McapRecord, Message
from mcap.stream_reader import MAGIC_SIZE, StreamReader, breakup_chunk

from rs_denoise.recordings.bags.compression import decompress
from rs_denoise.recordings.bags.time_order import TimeIndex, are_unordered
from rs_denoise.recordings.skipped import Skipped

# Recorders write chunks of a few megabytes; a chunk that claims far more is damaged.
MAX_CHUNK_BYTES = 1 << 30
# A record begins with its opcode and length (mcap.dev/spec); where its first time is after that.
RECORD_HEAD = struct.Struct("<BQ")
TIME_OFFSETS = {Opcode.CHUNK: 0, Opcode.MESSAGE: 6}


def read_records(
    path: Path, skipped: Skipped, max_bytes: int | None = None
) -> Iterator[McapRecord]:
    """Yields schemas, channels and messages up to where the file ends; skips damaged chunks."""
    for _, record in _read_with_position(path, skipped, max_bytes):
        yield from _open_record(record, path, skipped)


def is_unordered(path: Path) -> bool:
    """Whether chunks are far from the order of time, as those of a merged file are.

    Reads only the heads of the records. If possible, messages are read as written, because this
    needs no index, which may be damaged.
    """
    with path.open("rb") as file:
        return are_unordered(_read_start_times(file, path.stat().st_size))


def make_time_index(path: Path) -> TimeIndex:
    """Reads the file once to find where its messages are."""
    index = TimeIndex()
    for position, record in _read_with_position(path, index.skipped):
        is_chunk = isinstance(record, Chunk)
        for place, inner in enumerate(_open_record(record, path, index.skipped)):
            if isinstance(inner, Channel):
                index.topics[inner.id] = inner.topic
            elif isinstance(inner, Message):
                index.add(inner.channel_id, inner.log_time, position, place if is_chunk else 0)
    return index


def read_by_time_index(
    path: Path, index: TimeIndex, topics: Collection[str]
) -> Iterator[tuple[str, int, bytes]]:
    """Yields topic, time and data of the messages of these topics in the order of time."""
    with path.open("rb") as file:

        def read_chunk(position: int) -> list[McapRecord]:
            file.seek(position)
            reader = StreamReader(file, skip_magic=True, emit_chunks=True)
            return _open_record(next(iter(reader.records)), path, Skipped())

        for topic, time_ns, records, place in index.read(topics, read_chunk):
            message = records[place]
            assert isinstance(message, Message)
            yield topic, time_ns, message.data


def describe(error: Exception) -> str:
    """Type and text of an exception."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _read_with_position(
    path: Path, skipped: Skipped, max_bytes: int | None = None
) -> Iterator[tuple[int, McapRecord]]:
    """Yields the records up to where the file ends, chunks unopened, with their positions."""
    with path.open("rb") as file:
        reader = StreamReader(file, emit_chunks=True, record_size_limit=MAX_CHUNK_BYTES)
        position = MAGIC_SIZE
        try:
            for record in reader.records:
                yield position, record
                position = file.tell()
                if max_bytes is not None and position > max_bytes:
                    return
        except Exception as error:  # the parser raises exceptions of many kinds
            skipped.add(
                f"what follows byte {file.tell()} of {path.name}",
                f"the file is cut off or damaged there ({describe(error)})",
            )


def _open_record(record: McapRecord, path: Path, skipped: Skipped) -> list[McapRecord]:
    """The records in a chunk; any other record is given back."""
    return _read_chunk(record, path, skipped) if isinstance(record, Chunk) else [record]


def _read_chunk(chunk: Chunk, path: Path, skipped: Skipped) -> list[McapRecord]:
    try:
        data = decompress(
            chunk.data, chunk.compression, min(chunk.uncompressed_size, MAX_CHUNK_BYTES)
        )
        return breakup_chunk(replace(chunk, compression="", data=data), validate_crc=True)
    except Exception as error:  # the parser raises exceptions of many kinds
        skipped.add(
            f"the chunk at {chunk.message_start_time} ns of {path.name}",
            f"it cannot be unpacked ({describe(error)})",
        )
        return []


def _read_start_times(file: BinaryIO, size: int) -> Iterator[int]:
    """Yields the first time of each chunk, and of each message outside of chunks."""
    position = MAGIC_SIZE
    while position + RECORD_HEAD.size <= size:
        file.seek(position)
        opcode, length = RECORD_HEAD.unpack(file.read(RECORD_HEAD.size))
        if opcode in (0, Opcode.DATA_END):  # 0: a file that a power failure left filled with zeros
            return
        offset = TIME_OFFSETS.get(opcode)
        if offset is not None:
            times = file.read(offset + 8)
            if len(times) == offset + 8:
                yield int.from_bytes(times[offset:], "little")
        position += RECORD_HEAD.size + length
