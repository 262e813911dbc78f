"""An .mcap file of ROS 2 or ROS 1, whole or truncated, read with Foxglove's `mcap`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

from mcap.reader import SeekingReader, make_reader
from mcap.records import Channel, Message, Schema
from mcap.summary import Summary

from rs_denoise.recordings.bags.mcap_records import (
    MAX_CHUNK_BYTES,
    describe,
    is_unordered,
    make_time_index,
    read_by_time_index,
    read_records,
)
from rs_denoise.recordings.bags.time_order import TimeIndex
from rs_denoise.recordings.bags.topic_names import guess_type
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.skipped import Skipped

MAGIC = b"\x89MCAP0\r\n"
# A truncated file has no list of its topics; this much of its start is searched for them.
SCAN_BYTES = 1 << 30


class McapFile:
    """The messages of the file, in the order of time, or as written if these differ little.

    Attributes:
        types: message type of each topic that has messages, named as in ROS 2.
        counts: number of messages of each topic; empty if the file has no index.
        ros1_topics: the topics whose messages are serialised as in ROS 1.

    Raises:
        RecordingError: no message can be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._summary = _read_summary(path)
        channels, schemas = _list_channels(self._summary) or _scan_channels(path)
        if not channels:
            raise RecordingError(f"{path}: no message in it can be read; was it cut off early?")
        found = {channel.topic: _find_type(channel, schemas) for channel in channels}
        self.types = {topic: kind for topic, kind in found.items() if kind is not None}
        if not self.types:
            raise RecordingError(
                f"{path}: it has no schemas, so the types of its messages are unknown; it has "
                f"{', '.join(sorted(found))}"
            )
        self.counts = _count_messages(channels, self._summary)
        self.ros1_topics = {c.topic for c in channels if c.message_encoding == "ros1"}
        self._is_unordered = is_unordered(path)

    def messages(
        self, topics: Collection[str], skipped: Skipped, max_messages: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """Yields topic, time of arrival in ns, and serialised message (see `BagFile`)."""
        if not self._is_unordered:
            yield from self._read_as_written(topics, skipped, max_messages)
        elif self._summary is not None:
            in_time = _read_in_time(self._path, topics, skipped)
            yield from islice(in_time, max_messages)
        else:
            skipped.update(self._time_index.skipped)
            in_time = read_by_time_index(self._path, self._time_index, topics)
            yield from islice(in_time, max_messages)

    @cached_property
    def _time_index(self) -> TimeIndex:
        return make_time_index(self._path)

    def _read_as_written(
        self, topics: Collection[str], skipped: Skipped, max_messages: int | None
    ) -> Iterator[tuple[str, int, bytes]]:
        names: dict[int, str] = {}
        count = 0
        for record in read_records(self._path, skipped):
            if isinstance(record, Channel) and record.topic in topics:
                names[record.id] = record.topic
            elif isinstance(record, Message):
                count += 1
                if max_messages is not None and count > max_messages:
                    return
                if record.channel_id in names:
                    yield names[record.channel_id], record.log_time, record.data


def _read_summary(path: Path) -> Summary | None:
    """The index at the end of the file; None if it is missing, as in a truncated file."""
    try:
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
    except Exception:  # the library raises exceptions of many kinds
        return None
    return summary if summary is not None and summary.channels else None


def _list_channels(summary: Summary | None) -> tuple[list[Channel], dict[int, Schema]] | None:
    """The channels that have messages, and the schemas, as the index says."""
    if summary is None:
        return None
    counts = summary.statistics.channel_message_counts if summary.statistics else None
    channels = [c for c in summary.channels.values() if counts is None or counts.get(c.id)]
    return (channels, summary.schemas) if channels else None


def _scan_channels(path: Path) -> tuple[list[Channel], dict[int, Schema]]:
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    for record in read_records(path, Skipped(), SCAN_BYTES):
        if isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel):
            channels[record.id] = record
    return list(channels.values()), schemas


def _find_type(channel: Channel, schemas: dict[int, Schema]) -> str | None:
    """The ROS 2 name of the message type; without a schema it is inferred from the topic's name."""
    schema = schemas.get(channel.schema_id)
    if schema is None or not schema.name:
        return guess_type(channel.topic)
    package, *_, name = schema.name.split("/")
    return f"{package}/msg/{name}" if "/" in schema.name else schema.name


def _count_messages(channels: list[Channel], summary: Summary | None) -> dict[str, int]:
    counts: dict[str, int] = {}
    if summary is not None and summary.statistics:
        for channel in channels:
            number = summary.statistics.channel_message_counts.get(channel.id, 0)
            counts[channel.topic] = counts.get(channel.topic, 0) + number
    return counts


def _read_in_time(
    path: Path, topics: Collection[str], skipped: Skipped
) -> Iterator[tuple[str, int, bytes]]:
    """Yields topic, time and data of messages in the order of time, by the file's own index.

    Holds one chunk of each topic in memory.
    """
    with path.open("rb") as file:
        reader = SeekingReader(file, record_size_limit=MAX_CHUNK_BYTES)
        try:
            for _, channel, message in reader.iter_messages(topics=topics, log_time_order=True):
                yield channel.topic, message.log_time, message.data
        except Exception as error:  # the parser raises exceptions of many kinds
            skipped.add(f"what follows in {path.name}", f"a chunk is damaged ({describe(error)})")
