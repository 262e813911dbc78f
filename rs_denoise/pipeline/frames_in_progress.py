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

    def begin(self) -> int:
        """Records that work on a frame begins; returns a key for `end`."""
        with self._changed:
            self._count += 1
            self._begun_s[self._count] = time.monotonic()
            return self._count

    def end(self, key: int) -> None:
        """Records that work on a frame ends."""
        with self._changed:
            del self._begun_s[key]
            self._changed.notify_all()

    @contextmanager
    def frame(self) -> Iterator[None]:
        """Within the block, a frame is in progress."""
        key = self.begin()
        try:
            yield
        finally:
            self.end(key)

    @property
    def longest_s(self) -> float:
        """How long the oldest frame has been in progress; 0 if there is none."""
        with self._changed:
            return self._longest_s()

    def wait_for_end(self, limit_s: float) -> bool:
        """Waits until no frame is in progress; False if one takes longer than `limit_s`."""
        with self._changed:
            while self._begun_s:
                left_s = limit_s - self._longest_s()
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
            return True

    def _longest_s(self) -> float:
        return max((time.monotonic() - begun for begun in self._begun_s.values()), default=0.0)
