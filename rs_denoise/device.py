"""Which device computes: finds it by name, and tries whether it works."""

from __future__ import annotations

import logging
from functools import cache

import torch

from rs_denoise.manifest import ModelError

_log = logging.getLogger(__name__)


def find_device(name: str) -> torch.device:
    """The device of a name as `Model.load` takes it; a GPU with its number.

    "auto" is the first GPU if it works, else the CPU; a GPU that does not work is logged once, as
    a warning.

    Raises:
        ModelError: there is no such device, or it does not work.
    """
    if name == "auto":
        return _try("cuda") if _gpu_works() else torch.device("cpu")
    try:
        return _try(name)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"device {name!r} cannot be used ({_first_line(error)}); use 'cpu' or 'auto', or "
            "install a torch build for this GPU"
        ) from error


@cache
def _gpu_works() -> bool:
    """Whether there is a GPU that PyTorch can use; asked once, so that it is logged once."""
    if not _sees_gpu():
        return False
    try:
        _try("cuda")
    except (RuntimeError, AssertionError) as error:
        _log.warning("the GPU cannot be used, the CPU computes instead: %s", _first_line(error))
        return False
    return True


def _sees_gpu() -> bool:
    return torch.cuda.is_available()


def _first_line(error: Exception) -> str:
    """What CUDA says; it adds lines of advice for its developers."""
    return str(error).partition("\n")[0]


def _try(name: str) -> torch.device:
    """Has the device add two numbers, which also needs a kernel for its generation."""
    ones = torch.ones(2, device=name)
    if ones.sum().item() != 2:
        raise RuntimeError("it adds 1 and 1 wrongly")
    return ones.device
