"""A slot that keeps only the latest item."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """Holds the newest item until it is taken. A newer item replaces one that was not taken."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._taken = 0
        self._closed = False

    def put(self, item: T) -> bool:
        """Stores `item`; True if it replaced one."""
        with self._changed:
            replaced = self._item is not None
            self._item = item
            self._changed.notify()
            return replaced

    def wait(self) -> bool:
        """Waits for an item; False once the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed)
            return not self._closed

    def take(self) -> tuple[int, T] | None:
        """Removes the item and numbers it, counting from 0; None if there is none."""
        with self._changed:
            item, self._item = self._item, None
            if item is None or self._closed:
                return None
            number, self._taken = self._taken, self._taken + 1
            return number, item

    def close(self) -> bool:
        """Ends all present and future waits; True if that removed an item."""
        with self._changed:
            removed = self._item is not None
            self._item, self._closed = None, True
            self._changed.notify_all()
            return removed
