"""From the callbacks to the workers and on: the latest wins, and order is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

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


class Workers:
    """Threads that compute, in the order of asking, for all cameras of a process.

    Those who ask could compute in their own threads, in turn; but PyTorch gives each thread that
    computes on a CPU helpers of its own, and idle ones slow down the others'.

    Args:
        prepare: called once in each of them.

    Attributes:
        count: how many work side by side.
    """

    def __init__(self, count: int = 1, prepare: Callable[[], object] = lambda: None) -> None:
        self.count = count
        self._asked: SimpleQueue[tuple[Callable[[], Any], Future]] = SimpleQueue()
        for _ in range(count):
            # Daemons: a device that hangs does not hinder the process from ending.
            threading.Thread(target=self._work, args=(prepare,), daemon=True).start()

    def do(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises when a worker calls it; waits for that."""
        future: Future[T] = Future()
        self._asked.put((function, future))
        return future.result()

    def _work(self, prepare: Callable[[], object]) -> None:
        prepare()
        while True:
            self._next()

    def _next(self) -> None:
        # Apart, so that nothing of a frame is kept while there is none.
        function, future = self._asked.get()
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)


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
