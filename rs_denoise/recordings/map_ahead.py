"""Decodes and encodes images in threads while the caller works on others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from rs_denoise.cpu_cores import count_cores

CORES = count_cores()
# OpenCV's codecs release the GIL. More threads would only take cores from the network.
THREADS = min(4, CORES)
# Maximum number of items in progress or waiting; bounds memory: 848x480 images take up to 10 MB.
AHEAD = 12
Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    ahead: int = AHEAD,
    prepare: Callable[[], object] | None = None,
) -> Iterator[Result]:
    """Yields `function(item)` for each item in order, as `map` does.

    Args:
        function: runs in threads. Its exceptions are raised here, in place of the item.
        items: iterated in the caller's thread, up to `ahead` items in advance. Exceptions of the
            iterator are raised after the results of the items before.
        ahead: at least 1.
        prepare: called once in each thread.
    """
    source = iter(items)
    waiting: deque[Future[Result]] = deque()
    # Its threads start when there is work for them.
    pool = ThreadPoolExecutor(THREADS, "map_ahead", prepare)
    failure: Exception | None = None
    is_exhausted = False
    try:
        while True:
            while not is_exhausted and len(waiting) < ahead:
                try:
                    waiting.append(pool.submit(function, next(source)))
                except StopIteration:
                    is_exhausted = True
                except Exception as error:
                    is_exhausted, failure = True, error
            if not waiting:
                break
            yield waiting.popleft().result()
        if failure is not None:
            raise failure
    finally:  # also if the caller reads no further
        pool.shutdown(wait=True, cancel_futures=True)
        if isinstance(source, Generator):
            source.close()
