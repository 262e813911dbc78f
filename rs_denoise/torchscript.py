"""TorchScript: reads, writes and prepares the networks of model files.

Only this module uses torch.jit, which PyTorch has deprecated and Python 3.14 lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rs_denoise.manifest import ModelError

# The last inputs of aten::_convolution.
FLAGS_OF_CONVOLUTION = ("benchmark", "deterministic", "cudnn_enabled", "allow_tf32")
FIRST_FLAG_OF_CONVOLUTION = 9
# Operators that older model files use and other runtimes lack, with equivalents that they support.
# copysign is only used where size is 0 if sign is 0.
PORTABLE_OPERATORS = {
    """graph(%size, %sign):
        %r = aten::copysign(%size, %sign)
        return (%r)""": """graph(%size, %sign):
        %a = aten::abs(%size)
        %s = aten::sign(%sign)
        %r = aten::mul(%a, %s)
        return (%r)""",
    """graph(%x):
        %r = aten::sinh(%x)
        return (%r)""": """graph(%x):
        %one : int = prim::Constant[value=1]()
        %half : float = prim::Constant[value=0.5]()
        %n = aten::neg(%x)
        %a = aten::exp(%x)
        %b = aten::exp(%n)
        %d = aten::sub(%a, %b, %one)
        %r = aten::mul(%d, %half)
        return (%r)""",
}


def read_network(path: Path, device: torch.device | str = "cpu") -> torch.jit.ScriptModule:
    """The network of a model file, whose manifest has been checked.

    Raises:
        ModelError: its TorchScript cannot be loaded.
    """
    with _explained(path):
        return torch.jit.load(str(path), map_location=device).eval()


class PytorchNetwork:
    """The network of a model file in PyTorch.

    Attributes:
        script: the network, frozen.

    Raises:
        ModelError: as of `read_network`.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        network: Any = read_network(path, device)
        with _explained(path):
            self.script = torch.jit.freeze(network.to(memory_format=torch.channels_last))
            _set_convolution_flags(self.script)
            _keep_scalars_on_cpu(self.script)
        self._device = device

    def __call__(self, inputs: tuple[Tensor, ...], precision: torch.dtype) -> tuple[Tensor, ...]:
        """Runs the network; arguments and result are those of `Model`."""
        with (
            torch.autocast(self._device.type, precision, enabled=precision != torch.float32),
            # On a GPU, TorchScript would compile kernels of its own for the first frames, which
            # takes more than a minute (docs/speed.md).
            torch.jit.optimized_execution(self._device.type == "cpu"),
        ):
            result = self.script(*inputs)
        return result if isinstance(result, tuple) else (result.float(),)


def read_for_other_runtimes(path: Path) -> torch.jit.ScriptModule:
    """The network of a model file, frozen, with operators that other runtimes support too."""
    network = read_network(path)
    with _explained(path):
        frozen = torch.jit.freeze(network)
        rewrite = torch._C._jit_pass_custom_pattern_based_rewrite_graph
        for operator, replacement in PORTABLE_OPERATORS.items():
            rewrite(operator, replacement, frozen.graph)
        return frozen


def write_network(
    network: nn.Module, example: tuple[Tensor, ...], path: Path, extra: dict[str, str]
) -> None:
    """Traces `network` with example inputs and writes it with extra files, texts by name."""
    with torch.no_grad():
        script = torch.jit.trace(network.eval().cpu(), example)
    torch.jit.save(script, str(path), _extra_files=extra)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the loader can raise anything
        raise ModelError(f"{path}: its TorchScript cannot be loaded: {error}") from error


def _set_convolution_flags(network: torch.jit.ScriptModule) -> None:
    """Sets how a GPU computes the convolutions of a network that is frozen.

    A traced convolution keeps the cuDNN flags from when it was traced and ignores those of
    torch.backends. cuDNN's search for the fastest kernels is off: it takes half a second or more
    for each size and thread, and later frames are no faster (docs/speed.md). TF32 is off: it would
    round float32 to ten bits, even in the reference that other models are compared with.
    """
    wanted = {"benchmark": False, "allow_tf32": False}
    torch.backends.cudnn.allow_tf32 = wanted["allow_tf32"]
    graph: Any = network.graph
    for convolution in graph.findAllNodes("aten::_convolution", True):
        graph.setInsertPoint(convolution)
        for place, flag in enumerate(FLAGS_OF_CONVOLUTION, FIRST_FLAG_OF_CONVOLUTION):
            # Files of older PyTorch versions lack the last input.
            if flag in wanted and place < convolution.inputsSize():
                convolution.replaceInput(place, graph.insertConstant(wanted[flag]))


def _keep_scalars_on_cpu(network: torch.jit.ScriptModule) -> None:
    """Moves the constants without dimensions of a network that is frozen to the CPU.

    Tracing records numbers as tensors, which `torch.jit.load` moves to the GPU. Sizes computed from
    them would have to be read back, and at each the CPU would wait for all kernels before it.
    """
    graph: Any = network.graph
    for node in graph.findAllNodes("prim::Constant", True):
        value = node.output().toIValue()
        if isinstance(value, Tensor) and value.dim() == 0:
            graph.setInsertPoint(node)
            node.output().replaceAllUsesWith(graph.insertConstant(value.cpu()))
