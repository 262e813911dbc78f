"""Finds the compute device by name and checks that it works."""

from __future__ import annotations

import logging
from functools import cache

import torch

from rs_denoise.manifest import ModelError

OPENVINO = "openvino"
# The device that "openvino" alone stands for.
OPENVINO_DEFAULT = f"{OPENVINO}:CPU"

_log = logging.getLogger(__name__)


def uses_openvino(name: str) -> bool:
    """Whether OpenVINO computes on the device of this name, instead of PyTorch."""
    return name.partition(":")[0] == OPENVINO


def name_device(name: str) -> str:
    """The full name of a device: "cpu", "cuda:0", "openvino:CPU".

    Raises:
        ModelError: as of `find_device`.
    """
    device = find_device(name)
    if not uses_openvino(name):
        return str(device)
    return OPENVINO_DEFAULT if name == OPENVINO else name


def find_device(name: str) -> torch.device:
    """The PyTorch device for a name that `Model.load` accepts; a GPU with its index.

    "auto" is the first GPU if it works, else the CPU; a GPU that does not work is logged once, as
    a warning. For OpenVINO it is the CPU, which holds the network's inputs and outputs.

    Raises:
        ModelError: there is no such device, or it does not work.
    """
    if uses_openvino(name):
        _find_openvino(name)
        return torch.device("cpu")
    if name == "auto":
        return _compute_on("cuda") if _gpu_works() else torch.device("cpu")
    try:
        return _compute_on(name)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"device {name!r} cannot be used ({_first_line(error)}); use 'cpu' or 'auto', or "
            "install a torch build for this GPU"
        ) from error


def _find_openvino(name: str) -> None:
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise ModelError(
            f"device {name!r} needs the package openvino, which is not installed: run "
            "'pip install openvino', or use 'cpu' or 'auto'"
        ) from error
    there = openvino.Core().available_devices
    target = name.partition(":")[2] or "CPU"
    # Of several, OpenVINO lists GPU.0, GPU.1 and so on; GPU is the first of them.
    if target != "AUTO" and target not in {*there, *(t.partition(".")[0] for t in there)}:
        raise ModelError(
            f"device {name!r} cannot be used: OpenVINO finds {', '.join(there)} on this computer; "
            "use one of these, as 'openvino:CPU', or install Intel's driver for the device"
        )


@cache
def _gpu_works() -> bool:
    """Whether there is a GPU that PyTorch can use; checked once, so that it is logged once."""
    if not _sees_gpu():
        return False
    try:
        _compute_on("cuda")
    except (RuntimeError, AssertionError) as error:
        _log.warning("the GPU cannot be used, the CPU computes instead: %s", _first_line(error))
        return False
    return True


def _sees_gpu() -> bool:
    return torch.cuda.is_available()


def _first_line(error: Exception) -> str:
    """The first line of CUDA's message; the others advise CUDA developers."""
    return str(error).partition("\n")[0]


def _compute_on(name: str) -> torch.device:
    """Adds two numbers on the device, which fails without a kernel for its generation."""
    ones = torch.ones(2, device=name)
    if ones.sum().item() != 2:
        raise RuntimeError("it computes wrong results")
    return ones.device
