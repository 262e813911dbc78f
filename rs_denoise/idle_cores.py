"""Keeps PyTorch's threads off the cores that other programs use."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

import torch

from rs_denoise.cpu_cores import count_cores

CPU_TIMES = Path("/proc/stat")
SAMPLE_S = 0.2
# Columns of /proc/stat in which a core does nothing: idle and iowait, after the core's name.
IDLE_COLUMNS = slice(4, 6)


def use_idle_cores() -> None:
    """Lets PyTorch compute only on as many cores as no other program uses, at least on one.

    PyTorch's threads wait for each other after every layer, so a thread that shares its core delays
    all of them: on two cores of which one is busy, a frame takes three times as long as on an idle
    computer with two threads, and 1.6 times as long with one (docs/speed.md).

    The first call in a process measures for 0.2 s which cores are idle. Every call applies to its
    thread, and to threads that use PyTorch for the first time later. It never raises the number of
    threads. Nothing changes if OMP_NUM_THREADS is set, or on systems without /proc/stat.
    """
    if "OMP_NUM_THREADS" not in os.environ and CPU_TIMES.exists():
        torch.set_num_threads(max(1, min(_count_idle_cores(), torch.get_num_threads())))


@cache
def _count_idle_cores() -> int:
    return count_cores() - round(count_busy_cores(SAMPLE_S))


def count_busy_cores(sample_s: float) -> float:
    """The mean number of cores, of those that this process may use, on which others compute.

    Args:
        sample_s: how long to measure, s.

    Returns:
        0 on systems without /proc/stat.
    """
    if not CPU_TIMES.exists():
        return 0.0
    idle_s, own_s, start_s = _idle_s(), time.process_time(), time.monotonic()
    time.sleep(sample_s)
    elapsed_s = time.monotonic() - start_s
    idle_s, own_s = _idle_s() - idle_s, time.process_time() - own_s
    return count_cores() - (idle_s + own_s) / elapsed_s


def _idle_s() -> float:
    """How long the cores that this process may use have been idle since the system started."""
    ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    rows = (line.split() for line in CPU_TIMES.read_text().splitlines())
    ticks = sum(sum(map(int, row[IDLE_COLUMNS])) for row in rows if row and row[0] in ours)
    return ticks / os.sysconf("SC_CLK_TCK")
