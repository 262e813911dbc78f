"""Decodes the next images in threads while the caller works on the present one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

# Decoders release Python's lock. More threads than this would only take cores from the network.
THREADS = min(4, os.cpu_count() or 1)
# Images that are decoded and wait, so that memory is bounded: at 848x480 up to 10 MB.
AHEAD = 12
Item = TypeVar("Item")
Result = TypeVar("Result")


def decode_ahead(
    decode: Callable[[Item], Result], items: Iterable[Item], ahead: int = AHEAD
) -> Iterator[Result]:
    """Yields `decode` of each item, in their order, as `map` does.

    Args:
        decode: runs in threads. What it raises is raised here, in the item's place.
        items: are taken in this thread, up to `ahead` of them before the first result is used.
        ahead: at least 1.
    """
    source = iter(items)
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="decode")
    try:
        waiting.extend(pool.submit(decode, item) for item in islice(source, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(decode, item) for item in islice(source, 1))
            yield result
    finally:  # also if the caller reads no further
        pool.shutdown(wait=True, cancel_futures=True)
