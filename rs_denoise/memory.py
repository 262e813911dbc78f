"""How the process keeps its memory. Imports nothing that may be missing."""

from __future__ import annotations

import ctypes

# glibc's mallopt: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD with values in bytes.
KEEP_MEMORY = {-1: 2**31 - 1, -2: 256 * 2**20, -3: 2**30}


def keep_memory() -> None:
    """Lets the process keep what a frame allocates for the next one.

    Otherwise each frame's tensors are given back to the kernel and faulted in again, page by page:
    a fifth of the frame rate on a CPU. Where the C library is another one, nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in KEEP_MEMORY.items():
            mallopt(option, value)
