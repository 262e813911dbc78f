"""From the callbacks to the inference threads and on: the latest wins, and order is kept."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """Holds the newest item until it is taken; an older one that was not taken is dropped."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._taken = 0
        self._closed = False

    def put(self, item: T) -> bool:
        """Stores `item`; True if that dropped one."""
        with self._changed:
            dropped = self._item is not None
            self._item = item
            self._changed.notify()
            return dropped

    def wait(self) -> bool:
        """Waits for an item; False once the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed)
            return not self._closed

    def take(self) -> tuple[int, T] | None:
        """The item, which is gone then, with its number among all that were taken, from 0 on.

        None if there is none or the slot is closed.
        """
        with self._changed:
            item, self._item = self._item, None
            if item is None or self._closed:
                return None
            number, self._taken = self._taken, self._taken + 1
            return number, item

    def close(self) -> bool:
        """Ends every wait, now and later; True if that dropped an item."""
        with self._changed:
            dropped = self._item is not None
            self._item, self._closed = None, True
            self._changed.notify_all()
            return dropped


class Turn:
    """Lets so many threads in at a time, in the order in which they came; a context manager.

    The networks of several cameras would otherwise fight for the same cores, and each frame would
    take as long as all of them. A semaphore is not enough: who gives it back may get it again.

    Args:
        places: how many are let in.
    """

    def __init__(self, places: int = 1) -> None:
        self._places = places
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._inside = 0

    def __enter__(self) -> None:
        me = object()
        with self._changed:
            self._waiting.append(me)
            self._changed.wait_for(lambda: self._waiting[0] is me and self._inside < self._places)
            self._waiting.popleft()
            self._inside += 1
            self._changed.notify_all()

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()


class InOrder:
    """What was begun in an order and is worked on side by side ends in that order.

    Each number, from 0 on, must be entered once, or all that follow wait for ever.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = 0

    @contextmanager
    def at(self, number: int) -> Iterator[None]:
        """Waits until all numbers before this one have come and gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._next == number)
        try:
            yield
        finally:
            with self._changed:
                self._next += 1
                self._changed.notify_all()
