"""Worker threads, shared by all cameras of a process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Workers:
    """Threads that run functions, first come, first served.

    Callers do not compute in their own threads, because PyTorch gives every thread that computes on
    a CPU a pool of helper threads, and idle pools slow down the others.
    `concurrent.futures.ThreadPoolExecutor` is not used because its threads are not daemons: a hung
    device would prevent the process from ending.

    Args:
        count: number of threads.
        prepare: called once in each thread.

    Attributes:
        count: number of threads.
    """

    def __init__(self, count: int = 1, prepare: Callable[[], object] = lambda: None) -> None:
        self.count = count
        self._enqueueing = threading.Lock()
        self._queue: SimpleQueue[tuple[Callable[[], Any], Future]] = SimpleQueue()
        for _ in range(count):
            threading.Thread(target=self._run_all, args=(prepare,), daemon=True).start()

    def run(self, function: Callable[[], T]) -> T:
        """Calls `function` in a worker and waits for its result, which it returns or raises."""
        future: Future[T] = Future()
        self._queue.put((function, future))
        return future.result()

    def run_in_each(self, function: Callable[[], object]) -> None:
        """Calls `function` in every worker, concurrently, and waits for all of them.

        Raises:
            Exception: raised by a call.
        """
        futures = self.start_in_each(function)
        wait(futures)
        for future in futures:
            future.result()

    def start_in_each(self, function: Callable[[], object]) -> list[Future]:
        """Has every worker call `function` next, concurrently; returns futures."""
        together = threading.Barrier(self.count)

        def run_once_all_have_it() -> None:
            # A worker that waits here leaves the other calls to the other workers.
            together.wait()
            function()

        futures: list[Future] = [Future() for _ in range(self.count)]
        with self._enqueueing:  # interleaved calls of two callers would deadlock
            for future in futures:
                self._queue.put((run_once_all_have_it, future))
        return futures

    def _run_all(self, prepare: Callable[[], object]) -> None:
        prepare()
        while True:
            self._run_next()

    def _run_next(self) -> None:
        # A separate method, so that its variables keep no frame alive between two frames.
        function, future = self._queue.get()
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)
