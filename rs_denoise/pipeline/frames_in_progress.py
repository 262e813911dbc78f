"""Records which frames are in progress and since when, to detect one that hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class FramesInProgress:
    """The frames in progress; thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._begun_s: dict[int, float] = {}
        self._count = 0
        self._stopped = False

    def begin(self) -> int | None:
        """Records that work on a frame begins; returns a key for `end`, None after `stop`."""
        with self._changed:
            if self._stopped:
                return None
            self._count += 1
            self._begun_s[self._count] = time.monotonic()
            return self._count

    def end(self, key: int) -> None:
        """Records that work on a frame ends."""
        with self._changed:
            del self._begun_s[key]
            self._changed.notify_all()

    @contextmanager
    def frame(self) -> Iterator[bool]:
        """Within the block, a frame is in progress; it yields False after `stop`."""
        key = self.begin()
        try:
            yield key is not None
        finally:
            if key is not None:
                self.end(key)

    @property
    def longest_s(self) -> float:
        """How long the oldest frame has been in progress; 0 if there is none."""
        with self._changed:
            return self._longest_s()

    def stop(self, limit_s: float) -> None:
        """Lets no more frame begin, and waits for those in progress.

        A frame that began right after this wait would look like one that hangs.

        Args:
            limit_s: frames that have been in progress for longer are not waited for.
        """
        with self._changed:
            self._stopped = True
            while self._begun_s and (left_s := limit_s - self._longest_s()) > 0:
                self._changed.wait(left_s)

    def _longest_s(self) -> float:
        return max((time.monotonic() - begun for begun in self._begun_s.values()), default=0.0)
