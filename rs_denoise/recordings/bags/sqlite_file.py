"""A .db3 file of rosbag2 or of librealsense, whole or cut off, read in the order of writing."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Collection, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.skipped import Skipped

MAGIC = b"SQLite format 3\x00"


class SqliteFile:
    """Messages in the order in which they were written.

    Attributes:
        types: message type of each topic.
        counts: how many messages a topic has; empty where the file is damaged.

    Raises:
        RecordingError: it is no rosbag2, or is cut off before its list of topics.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with closing(self._connected()) as database:
                rows = database.execute("SELECT id, name, type FROM topics").fetchall()
        except sqlite3.Error as error:
            raise RecordingError(
                f"{path}: its list of topics cannot be read ({error}): is it a rosbag2, cut off "
                "early, or with a -wal file in a folder that cannot be written?"
            ) from error
        rows = [row for row in rows if isinstance(row[1], str) and isinstance(row[2], str)]
        self._names: dict[int, str] = {number: name for number, name, _ in rows}
        self.types: dict[str, str] = {name: kind for _, name, kind in rows}
        self.counts = self._counts()

    def messages(
        self, topics: Collection[str], skipped: Skipped, most: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """Topic, time of arrival in ns, and the serialised message; `most` counts all topics'."""
        wanted = [number for number, name in self._names.items() if name in topics]
        of_wanted = f"WHERE topic_id IN ({','.join('?' * len(wanted))})"
        query = f"SELECT topic_id, timestamp, data, id FROM messages {of_wanted} ORDER BY id"
        if most is not None:
            # Not sorted again: that would want all of a file that may be cut off.
            first = f"SELECT * FROM messages ORDER BY id LIMIT {int(most)}"
            query = f"SELECT topic_id, timestamp, data, id FROM ({first}) {of_wanted}"
        rows = self._rows(query, wanted, skipped)
        for number, time_ns, data, row in _all_but_last(rows) if self._is_cut() else rows:
            if isinstance(data, bytes) and isinstance(time_ns, int):
                yield self._names[number], time_ns, data
            else:
                skipped.add(f"message {row} of {self._path.name}", "it holds no data")

    def _counts(self) -> dict[str, int]:
        query = "SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id"
        try:
            with closing(self._connected()) as database:
                rows = database.execute(query).fetchall()
        except (sqlite3.Error, OverflowError):
            return {}
        return {self._names[number]: count for number, count in rows if number in self._names}

    def _rows(self, query: str, wanted: list[int], skipped: Skipped) -> Iterator[tuple]:
        last = 0
        with closing(self._connected()) as database:
            try:
                for row in database.execute(query, wanted):
                    last = row[-1]
                    yield row
            except (sqlite3.Error, OverflowError) as error:
                skipped.add(
                    f"what follows message {last}{_of_how_many(database)} of {self._path.name}",
                    f"the file is cut off or damaged there ({error})",
                )
                return
        if self._is_cut():
            skipped.add(f"what follows message {last} of {self._path.name}", "the file is cut off")

    def _is_cut(self) -> bool:
        """Whether it ends within a page: sqlite takes what is missing of that for zeros."""
        with self._path.open("rb") as file:
            (page_bytes,) = struct.unpack(">H", file.read(18)[16:])
        # 1 stands for 65536 (www.sqlite.org/fileformat.html).
        return self._path.stat().st_size % (65536 if page_bytes == 1 else max(page_bytes, 1)) != 0

    def _connected(self) -> sqlite3.Connection:
        # A recorder that was killed leaves its last messages in a write-ahead log, which sqlite
        # reads only from a file that may change; else nothing beside the recording is touched.
        log = self._path.with_name(f"{self._path.name}-wal")
        mode = "" if log.exists() and log.stat().st_size else "&immutable=1"
        address = f"file:{quote(str(self._path.absolute()))}?mode=ro{mode}"
        database = sqlite3.connect(address, uri=True)
        # Without it sqlite refuses a file that is shorter than its head says.
        database.execute("PRAGMA writable_schema=ON")
        return database


def _all_but_last(rows: Iterator[tuple]) -> Iterator[tuple]:
    """The last row that can be read may lie in the page that is incomplete."""
    return (row for row, _ in pairwise(rows))


def _of_how_many(database: sqlite3.Connection) -> str:
    try:
        (count,) = database.execute("SELECT max(id) FROM messages").fetchone()
    except sqlite3.Error:
        return ""
    return f" of {count}"
