"""Recognises a GPU that is out of memory or lost, by PyTorch's error messages.

These are PyTorch's messages on CUDA (NVIDIA, also Jetson) and ROCm (AMD). Add those of other
runtimes here.
"""

from __future__ import annotations

import torch

# How the allocator, the driver and the libraries report that memory is full.
OUT_OF_MEMORY = (
    "out of memory",
    "ALLOC_FAILED",  # cuBLAS, cuDNN
    "unable to find an engine to execute this computation",  # cuDNN: none fits the memory left
    "CUDNN_STATUS_NOT_INITIALIZED",  # no memory for the library's own handle
    "CUBLAS_STATUS_NOT_INITIALIZED",
)
# On a Jetson, the library that the allocator asks for the free memory does not exist.
JETSON_OUT_OF_MEMORY = ("NVML_SUCCESS == r INTERNAL ASSERT FAILED", "CUDACachingAllocator")
DEVICE_FAILS = ("CUDA error", "CUDA driver error", "HIP error")
# The device works, but does not support what was requested.
WRONG_DEVICE = ("invalid device ordinal", "no kernel image is available")


class DeviceMemoryError(RuntimeError):
    """The device has too little memory for a frame; the message says what happens next."""


class DeviceLostError(RuntimeError):
    """The device fails from now on; only a new process can use it again."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether the GPU's memory is full. TorchScript reports this as plain text."""
    text = str(error)
    return any(words in text for words in OUT_OF_MEMORY) or all(
        words in text for words in JETSON_OUT_OF_MEMORY
    )


def is_device_lost(error: Exception) -> bool:
    """Whether the GPU will fail from now on, as after an illegal access or if it left the bus."""
    text = str(error)
    return (
        any(words in text for words in DEVICE_FAILS)
        and not any(words in text for words in WRONG_DEVICE)
        and not is_out_of_memory(error)
    )


def release_cached_memory() -> None:
    """Returns the memory that PyTorch keeps for later frames to the GPU."""
    torch.cuda.empty_cache()
