"""Tunes the C library's allocator. Imports only the standard library."""

from __future__ import annotations

import ctypes

# glibc's mallopt: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD with values in bytes.
MALLOC_OPTIONS = {-1: 2**31 - 1, -2: 256 * 2**20, -3: 2**30}


def tune_malloc() -> None:
    """Makes glibc's malloc keep the memory of one frame for the next.

    By default it returns each frame's tensors to the kernel, which maps them again page by page;
    this costs a fifth of the frame rate on a CPU. Does nothing with another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in MALLOC_OPTIONS.items():
            mallopt(option, value)
