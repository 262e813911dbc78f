"""Runs independent tasks in processes of this machine, or on the workers of a Dask cluster.

Callers need not know where tasks run: they receive each outcome as the task ends. A task whose
process dies runs once more.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from distributed import Client

Task = TypeVar("Task")
Result = TypeVar("Result")
# Renderer, OpenCV and PyTorch have process-wide settings.
_ONE_AT_A_TIME = threading.Lock()


class ClusterError(RuntimeError):
    """The Dask cluster cannot be used; the message says what to do."""


class TaskLost(RuntimeError):
    """Every worker that ran a task died."""


@dataclass(frozen=True)
class Outcome(Generic[Task, Result]):
    """How a task ended.

    Attributes:
        task: the task.
        result: what the function returned; None if it failed.
        error: what it raised, or why its process ended.
    """

    task: Task
    result: Result | None = None
    error: BaseException | None = None

    def get(self) -> Result:
        """The result; raises the error if there is one."""
        if self.error is not None:
            raise self.error
        return cast(Result, self.result)


class TaskRunner(Protocol):
    """Runs tasks."""

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[Outcome[Task, Result]]:
        """Calls `function` with each task and yields the outcomes in the order in which they end.

        Args:
            function: must be picklable, and so must its results.
            tasks: must be picklable.
        """


@dataclass(frozen=True)
class LocalRunner:
    """Runs tasks in processes of this machine.

    A task that kills its process (out of memory, a crash in native code) is run once more, then its
    error is a `BrokenProcessPool`.

    Attributes:
        workers: number of processes.
    """

    workers: int

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[Outcome[Task, Result]]:
        """Implements `TaskRunner`."""
        workers, left, crashes = self.workers, deque(enumerate(tasks)), Counter[int]()
        while left:
            running: dict[Future[Result], tuple[int, Task]] = {}
            try:
                with _make_pool(workers) as pool:
                    while left or running:
                        while left and len(running) < workers:
                            # Removed from the list only once submitted: a broken pool rejects it.
                            running[pool.submit(function, left[0][1])] = left[0]
                            left.popleft()
                        for future in wait(running, return_when=FIRST_COMPLETED).done:
                            error = future.exception()
                            if isinstance(error, BrokenProcessPool):
                                raise error
                            result = None if error else future.result()
                            yield Outcome(running.pop(future)[1], result, error)
            except BrokenProcessPool as error:
                for number, task in running.values():
                    crashes[number] += 1
                    if crashes[number] < 2:
                        left.append((number, task))
                    else:
                        yield Outcome(task, error=error)
                workers = 1  # a task that kills its process then kills no other


@dataclass(frozen=True)
class ClusterRunner:
    """Runs tasks on the workers of a Dask cluster.

    A task that raises an error is run once more, because it may succeed on another machine. A task
    whose worker died is repeated as often as the scheduler allows
    (`distributed.scheduler.allowed-failures`); then its error is a `TaskLost`.

    Attributes:
        address: the scheduler's, such as tcp://host:8786.
    """

    address: str

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[Outcome[Task, Result]]:
        """Implements `TaskRunner`.

        Raises:
            ClusterError: a worker runs several tasks in one process, or the scheduler stopped.
            OSError: there is no scheduler at the address.
            ModuleNotFoundError: Dask is not installed here.
        """
        from distributed import Client, as_completed

        # Dask would print tracebacks of a lost connection, which is raised as an error here.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        with Client(self.address, set_as_default=False) as client:
            _check_workers(client)
            # Dask treats tasks with equal keys as the same task, even those of another user.
            run, alone = uuid.uuid4().hex[:8], partial(_run_alone, function)
            futures: dict[Any, Task] = {
                client.submit(alone, t, key=f"rs_denoise-{run}-{k}", retries=1, pure=False): t
                for k, t in enumerate(tasks)
            }
            ended = as_completed(
                list(futures), loop=client.loop, with_results=True, raise_errors=False
            )
            for future, result in ended:
                if future.status == "finished":
                    yield Outcome(futures.pop(future), result)
                elif future.status == "error":
                    yield Outcome(futures.pop(future), error=_explain(result[1]))
                else:
                    raise ClusterError(
                        f"the scheduler at {self.address} stopped: start it again and repeat the "
                        "command"
                    )
                future.release()


def _check_workers(client: Client) -> None:
    for address, worker in client.scheduler_info(n_workers=-1)["workers"].items():
        if worker["nthreads"] > 1:
            raise ClusterError(
                f"the worker {address} runs {worker['nthreads']} tasks in one process: start it as "
                "'dask worker SCHEDULER --nworkers CORES --nthreads 1'"
            )


def _run_alone(function: Callable[[Task], Result], task: Task) -> Result:
    with _ONE_AT_A_TIME:
        return function(task)


def _explain(error: BaseException) -> BaseException:
    from distributed.scheduler import KilledWorker

    if not isinstance(error, KilledWorker):
        return error
    return TaskLost(
        f"{error.allowed_failures + 1} workers died while running it, the last one "
        f"{error.last_worker.address}: see its log; the usual cause is lack of memory"
    )


def _make_pool(workers: int) -> ProcessPoolExecutor:
    # Mitsuba's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_watch_parent)


def _watch_parent() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this worker with its parent; otherwise it would run for ever if the parent is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
