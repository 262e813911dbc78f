"""What is particular to compute devices: their errors, their memory and how to use their cores.

The errors are PyTorch's. Another runtime adds its own here.
"""

from __future__ import annotations

import os

import torch


class DeviceMemoryError(RuntimeError):
    """The device has too little memory for a frame; the message says what happens next."""


class DeviceLostError(RuntimeError):
    """The device refuses all work from now on; only a new process can use it again."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether the GPU's memory is full. TorchScript reports this as plain text."""
    return any(words in str(error) for words in ("out of memory", "ALLOC_FAILED"))


def is_device_lost(error: Exception) -> bool:
    """Whether CUDA fails from now on, as after an illegal access or a GPU that left the bus."""
    return "CUDA error" in str(error) and not is_out_of_memory(error)


def release_cached_memory() -> None:
    """Returns the memory that PyTorch keeps for later frames to the GPU."""
    torch.cuda.empty_cache()


def spare_cores() -> int:
    """Number of cores for the network. From four cores on, one is left to callbacks and driver."""
    cores = len(os.sched_getaffinity(0))
    return cores - 1 if cores >= 4 else cores


def default_concurrent_frames(device: torch.device, threads: int) -> int:
    """Number of frames to compute concurrently if the user does not say.

    Two threads that wait for each other after every layer lose much of their time as soon as driver
    and consumers need a core too: every third frame of 30 a second. With a frame each they do not
    wait. More threads serve better on one frame, which is then finished sooner.
    """
    return 2 if threads == 2 and device.type == "cpu" else 1
