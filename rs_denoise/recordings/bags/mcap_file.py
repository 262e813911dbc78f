"""An .mcap file, whole or truncated, read from its start with Foxglove's `mcap`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from mcap.reader import SeekingReader, make_reader
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk

from rs_denoise.recordings.bags.compression import decompress
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.skipped import Skipped

MAGIC = b"\x89MCAP0\r\n"
# A truncated file has no list of its topics; so much of its start is searched for them.
SCAN_BYTES = 1 << 30
# Recorders write what arrives within a second in any order; framesets wait for so long.
MAX_DISORDER_NS = 1_000_000_000
# Recorders write chunks of a few megabytes; a chunk that claims far more is damaged.
MAX_CHUNK_BYTES = 1 << 30


class McapFile:
    """The messages of the file, in the order of writing.

    Attributes:
        types: message type of each topic that has messages.
        counts: number of messages of each topic; empty if the file has no index.

    Raises:
        RecordingError: no message can be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.types, self.counts = _read_index(path)
        self.types = self.types or _scan_types(path)
        self._is_unordered = _is_unordered(path)
        if not self.types:
            raise RecordingError(f"{path}: no message in it can be read; was it cut off early?")

    def messages(
        self, topics: Collection[str], skipped: Skipped, max_messages: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """Yields topic, time of arrival in ns, and serialised message (see `BagFile`)."""
        names: dict[int, str] = {}
        count = 0
        in_time = _read_in_time(self._path, topics, skipped)
        for record in in_time if self._is_unordered else _read_records(self._path, skipped):
            if isinstance(record, Channel) and record.topic in topics:
                names[record.id] = record.topic
            elif isinstance(record, Message):
                count += 1
                if max_messages is not None and count > max_messages:
                    return
                if record.channel_id in names:
                    yield names[record.channel_id], record.log_time, record.data


def _read_index(path: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Types and counts of the topics, from the end of the file; empty if that is missing."""
    try:
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
    except Exception:  # truncated; the library raises exceptions of many kinds
        return {}, {}
    if summary is None:
        return {}, {}
    known = summary.statistics.channel_message_counts if summary.statistics else None
    types: dict[str, str] = {}
    counts: dict[str, int] = {}
    for channel in summary.channels.values():
        if channel.schema_id in summary.schemas and (known is None or known.get(channel.id)):
            types[channel.topic] = summary.schemas[channel.schema_id].name
            if known is not None:
                counts[channel.topic] = counts.get(channel.topic, 0) + known[channel.id]
    return types, counts


def _is_unordered(path: Path) -> bool:
    """Whether the chunks are far from the order of time, as those of a merged file are.

    The order of recorders is kept where it serves: it needs no index, which may be damaged.
    """
    try:
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
    except Exception:  # truncated; the library raises exceptions of many kinds
        return False
    chunks = sorted(summary.chunk_indexes, key=lambda c: c.chunk_start_offset) if summary else []
    starts = [chunk.message_start_time for chunk in chunks]
    return any(a - b > MAX_DISORDER_NS for a, b in pairwise(starts))


def _read_in_time(
    path: Path, topics: Collection[str], skipped: Skipped
) -> Iterator[Channel | Message]:
    """Yields channels and messages of these topics in the order of time, by the file's index.

    Holds one chunk of each topic in memory.
    """
    with path.open("rb") as file:
        reader = SeekingReader(file, record_size_limit=MAX_CHUNK_BYTES)
        try:
            for _, channel, message in reader.iter_messages(topics=topics, log_time_order=True):
                yield channel
                yield message
        except Exception as error:  # the parser raises exceptions of many kinds
            skipped.add(f"what follows in {path.name}", f"a chunk is damaged ({_describe(error)})")


def _scan_types(path: Path) -> dict[str, str]:
    schemas: dict[int, str] = {}
    types: dict[str, str] = {}
    for record in _read_records(path, Skipped(), SCAN_BYTES):
        if isinstance(record, Schema):
            schemas[record.id] = record.name
        elif isinstance(record, Channel) and record.schema_id in schemas:
            types[record.topic] = schemas[record.schema_id]
    return types


def _read_records(
    path: Path, skipped: Skipped, max_bytes: int | None = None
) -> Iterator[McapRecord]:
    """Yields schemas, channels and messages up to where the file ends; skips damaged chunks."""
    with path.open("rb") as file:
        reader = StreamReader(file, emit_chunks=True, record_size_limit=MAX_CHUNK_BYTES)
        try:
            for record in reader.records:
                if isinstance(record, Chunk):
                    yield from _read_chunk(record, path, skipped)
                else:
                    yield record
                if max_bytes is not None and file.tell() > max_bytes:
                    return
        except Exception as error:  # the parser raises exceptions of many kinds
            skipped.add(
                f"what follows byte {file.tell()} of {path.name}",
                f"the file is cut off or damaged there ({_describe(error)})",
            )


def _read_chunk(chunk: Chunk, path: Path, skipped: Skipped) -> list[McapRecord]:
    try:
        data = decompress(
            chunk.data, chunk.compression, min(chunk.uncompressed_size, MAX_CHUNK_BYTES)
        )
        return breakup_chunk(replace(chunk, compression="", data=data), validate_crc=True)
    except Exception as error:  # the parser raises exceptions of many kinds
        skipped.add(
            f"the chunk at {chunk.message_start_time} ns of {path.name}",
            f"it cannot be unpacked ({_describe(error)})",
        )
        return []


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
