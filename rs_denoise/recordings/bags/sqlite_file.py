"""A .db3 file of rosbag2 or of librealsense, whole or truncated, read in the order of writing."""

from __future__ import annotations

import sqlite3
import struct
from array import array
from collections.abc import Collection, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

from rs_denoise.recordings.bags.time_order import MAX_DISORDER_NS
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.skipped import Skipped

MAGIC = b"SQLite format 3\x00"
COLUMNS = "SELECT topic_id, timestamp, data, id"


class SqliteFile:
    """The messages of the file, in the order of time, or as written if these differ little.

    Attributes:
        types: message type of each topic.
        counts: number of messages of each topic; empty if the file is damaged.
        ros1_topics: empty, because the messages are serialised as in ROS 2.

    Raises:
        RecordingError: it is not a rosbag2, or is truncated before its list of topics.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with closing(self._connect()) as database:
                rows = database.execute("SELECT id, name, type FROM topics").fetchall()
        except sqlite3.Error as error:
            raise RecordingError(
                f"{path}: its list of topics cannot be read ({error}): is it a rosbag2, cut off "
                "early, or with a -wal file in a folder that cannot be written?"
            ) from error
        rows = [row for row in rows if isinstance(row[1], str) and isinstance(row[2], str)]
        self._names: dict[int, str] = {number: name for number, name, _ in rows}
        self.types: dict[str, str] = {name: kind for _, name, kind in rows}
        self.counts = self._count_messages()
        self.ros1_topics: set[str] = set()
        self._is_unordered = self._find_disorder() and not self._is_truncated()

    def messages(
        self, topics: Collection[str], skipped: Skipped, max_messages: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """Yields topic, time of arrival in ns, and serialised message (see `BagFile`)."""
        wanted = [number for number, name in self._names.items() if name in topics]
        condition = f"topic_id IN ({','.join('?' * len(wanted))})"
        source = f"FROM messages WHERE id > ? AND {condition} ORDER BY id"
        if max_messages is not None:
            # Not sorted again: sorting would read all of a file that may be truncated.
            first = f"SELECT * FROM messages WHERE id > ? ORDER BY id LIMIT {int(max_messages)}"
            source = f"FROM ({first}) WHERE {condition}"
        rows = self._read_rows(source, wanted, skipped)
        if self._is_unordered:
            rows = self._read_in_time(condition, wanted, skipped, max_messages)
        for number, time_ns, data, row in _drop_last(rows) if self._is_truncated() else rows:
            if isinstance(data, bytes) and isinstance(time_ns, int):
                yield self._names[number], time_ns, data
            else:
                skipped.add(f"message {row} of {self._path.name}", "it holds no data")

    def _count_messages(self) -> dict[str, int]:
        query = "SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id"
        try:
            with closing(self._connect()) as database:
                rows = database.execute(query).fetchall()
        except (sqlite3.Error, OverflowError):
            return {}
        counts = dict.fromkeys(self.types, 0)
        return counts | {self._names[n]: count for n, count in rows if n in self._names}

    def _find_disorder(self) -> bool:
        """Whether the rows are far from the order of time, as those of a merged file are."""
        newest = 0
        try:
            with closing(self._connect()) as database:
                for (time_ns,) in database.execute("SELECT timestamp FROM messages ORDER BY id"):
                    if isinstance(time_ns, int):
                        if time_ns < newest - MAX_DISORDER_NS:
                            return True
                        newest = max(newest, time_ns)
        except (sqlite3.Error, OverflowError):
            return False
        return False

    def _read_in_time(
        self, condition: str, wanted: list[int], skipped: Skipped, max_messages: int | None
    ) -> Iterator[tuple]:
        """Yields rows in the order of time; holds their numbers, not their data, in memory."""
        numbers = f"SELECT id FROM messages WHERE {condition} ORDER BY timestamp, id"
        ordered = array("q")
        with closing(self._connect()) as database:
            try:
                ordered.extend(number for (number,) in database.execute(numbers, wanted))
            except (sqlite3.Error, OverflowError) as error:
                skipped.add(f"what follows in {self._path.name}", f"the file is damaged ({error})")
            for number in ordered[:max_messages]:
                yield from self._read_row(database, number, skipped)

    def _read_rows(self, source: str, wanted: list[int], skipped: Skipped) -> Iterator[tuple]:
        """Yields the rows in their order; a damaged one is skipped, if one follows it.

        Args:
            source: of the rows: the end of a query, with a number of a row that they follow.
            wanted: its other parameters.
            skipped: collects what cannot be read.
        """
        last = 0
        with closing(self._connect()) as database:
            while True:
                try:
                    for row in database.execute(f"{COLUMNS} {source}", (last, *wanted)):
                        last = max(last, row[-1])
                        yield row
                    break
                except (sqlite3.Error, OverflowError) as error:
                    # Python's sqlite3 loses the row before a damaged one too: the next is either.
                    number = _find_first(database, f"SELECT id {source}", (last, *wanted))
                    if number is None or number <= last:  # a damaged tree may go in circles
                        skipped.add(
                            f"what follows message {last}{_total(database)} of {self._path.name}",
                            f"the file is cut off or damaged there ({error})",
                        )
                        return
                    yield from self._read_row(database, number, skipped)
                    last = number
        if self._is_truncated():
            skipped.add(f"what follows message {last} of {self._path.name}", "the file is cut off")

    def _read_row(self, database: sqlite3.Connection, number: int, skipped: Skipped) -> list[tuple]:
        try:
            return database.execute(f"{COLUMNS} FROM messages WHERE id = ?", (number,)).fetchall()
        except (sqlite3.Error, OverflowError) as error:
            name = f"message {number} of {self._path.name}"
            skipped.add(name, f"it is damaged or cut off ({error})")
            return []

    def _is_truncated(self) -> bool:
        """Whether the file ends within a page; sqlite would read the missing part as zeros."""
        with self._path.open("rb") as file:
            (page_bytes,) = struct.unpack(">H", file.read(18)[16:])
        # 1 stands for 65536 (www.sqlite.org/fileformat.html).
        return self._path.stat().st_size % (65536 if page_bytes == 1 else max(page_bytes, 1)) != 0

    def _connect(self) -> sqlite3.Connection:
        # A recorder that was killed leaves its last messages in a write-ahead log. sqlite reads it
        # only if the file is not declared immutable; else immutable keeps it from making files.
        log = self._path.with_name(f"{self._path.name}-wal")
        mode = "" if log.exists() and log.stat().st_size else "&immutable=1"
        address = f"file:{quote(str(self._path.absolute()))}?mode=ro{mode}"
        database = sqlite3.connect(address, uri=True)
        # Otherwise sqlite refuses a file that is shorter than its header says.
        database.execute("PRAGMA writable_schema=ON")
        return database


def _drop_last(rows: Iterator[tuple]) -> Iterator[tuple]:
    """Drops the last row, which may lie in the incomplete page."""
    return (row for row, _ in pairwise(rows))


def _find_first(database: sqlite3.Connection, query: str, parameters: tuple) -> int | None:
    """The number of the first row of a query; None if there is none, or it cannot be found."""
    try:
        first = database.execute(query, parameters).fetchone()
    except (sqlite3.Error, OverflowError):
        return None
    return None if first is None else first[0]


def _total(database: sqlite3.Connection) -> str:
    try:
        (count,) = database.execute("SELECT max(id) FROM messages").fetchone()
    except sqlite3.Error:
        return ""
    return f" of {count}"
