"""Restores the order of results that are computed concurrently."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Sequencer:
    """Lets threads pass in the order of their numbers.

    Every number from 0 on must take its turn exactly once, or all later ones wait for ever.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = 0

    @contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """Waits until all smaller numbers have had their turn; the turn ends with the block."""
        with self._changed:
            self._changed.wait_for(lambda: self._next == number)
        try:
            yield
        finally:
            with self._changed:
                self._next += 1
                self._changed.notify_all()
