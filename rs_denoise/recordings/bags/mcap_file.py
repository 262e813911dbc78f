"""An .mcap file, whole or truncated, read from its start with Foxglove's `mcap`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from mcap.reader import make_reader
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk

from rs_denoise.recordings.bags.compression import decompress
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.skipped import Skipped

MAGIC = b"\x89MCAP0\r\n"
# A truncated file has no list of its topics; so much of its start is searched for them.
SCAN_BYTES = 1 << 30
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
        if not self.types:
            raise RecordingError(f"{path}: no message in it can be read; was it cut off early?")

    def messages(
        self, topics: Collection[str], skipped: Skipped, max_messages: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """Yields topic, time of arrival in ns, and serialised message (see `BagFile`)."""
        names: dict[int, str] = {}
        count = 0
        for record in _read_records(self._path, skipped):
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
