"""The CPU cores of this process. Imports only the standard library."""

from __future__ import annotations

import os


def count_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def default_num_threads() -> int:
    """All cores for the network; of four or more, one is left for callbacks and the driver."""
    cores = count_cores()
    return cores - 1 if cores >= 4 else cores
