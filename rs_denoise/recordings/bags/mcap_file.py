"""An .mcap file, whole or cut off, read from its start (by Foxglove's `mcap`)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from mcap.reader import make_reader
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk

from rs_denoise.recordings.bags.compression import unpack
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.skipped import Skipped

MAGIC = b"\x89MCAP0\r\n"
# A cut file has no list of its topics: they are looked for at its start.
SCAN_BYTES = 1 << 30
# Recorders write chunks of some megabytes; what claims more is damaged.
MOST_CHUNK_BYTES = 1 << 30


class McapFile:
    """Messages in the order in which they were written.

    Attributes:
        types: message type of each topic that has messages.
        counts: how many messages a topic has; empty where the file has no index.

    Raises:
        RecordingError: nothing of it can be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.types, self.counts = _index(path)
        self.types = self.types or _types_by_scan(path)
        if not self.types:
            raise RecordingError(f"{path}: no message in it can be read; was it cut off early?")

    def messages(
        self, topics: Collection[str], skipped: Skipped, most: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """Topic, time of arrival in ns, and the serialised message; `most` counts all topics'."""
        names: dict[int, str] = {}
        count = 0
        for record in _records(self._path, skipped):
            if isinstance(record, Channel) and record.topic in topics:
                names[record.id] = record.topic
            elif isinstance(record, Message):
                count += 1
                if most is not None and count > most:
                    return
                if record.channel_id in names:
                    yield names[record.channel_id], record.log_time, record.data


def _index(path: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Types and counts of the topics, from the end of the file; empty where they are not there."""
    try:
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
    except Exception:  # cut off: the library raises one of many kinds
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


def _types_by_scan(path: Path) -> dict[str, str]:
    schemas: dict[int, str] = {}
    types: dict[str, str] = {}
    for record in _records(path, Skipped(), SCAN_BYTES):
        if isinstance(record, Schema):
            schemas[record.id] = record.name
        elif isinstance(record, Channel) and record.schema_id in schemas:
            types[record.topic] = schemas[record.schema_id]
    return types


def _records(path: Path, skipped: Skipped, most_bytes: int | None = None) -> Iterator[McapRecord]:
    """Schemas, channels and messages; a damaged chunk is skipped, a cut file ends where it does."""
    with path.open("rb") as file:
        reader = StreamReader(file, emit_chunks=True, record_size_limit=MOST_CHUNK_BYTES)
        try:
            for record in reader.records:
                if isinstance(record, Chunk):
                    yield from _of_chunk(record, path, skipped)
                else:
                    yield record
                if most_bytes is not None and file.tell() > most_bytes:
                    return
        except Exception as error:  # the parser raises one of many kinds
            skipped.add(
                f"what follows byte {file.tell()} of {path.name}",
                f"the file is cut off or damaged there ({_named(error)})",
            )


def _of_chunk(chunk: Chunk, path: Path, skipped: Skipped) -> list[McapRecord]:
    try:
        data = unpack(chunk.data, chunk.compression, min(chunk.uncompressed_size, MOST_CHUNK_BYTES))
        return breakup_chunk(replace(chunk, compression="", data=data), validate_crc=True)
    except Exception as error:  # the parser raises one of many kinds
        skipped.add(
            f"the chunk at {chunk.message_start_time} ns of {path.name}",
            f"it cannot be unpacked ({_named(error)})",
        )
        return []


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
