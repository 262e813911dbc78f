"""Runs the network of a model file in OpenVINO, for Intel's GPUs and NPUs, and for CPUs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rs_denoise.device import OPENVINO
from rs_denoise.manifest import ModelError
from rs_denoise.torchscript import read_for_other_runtimes

# Number of tile sizes for which a thread keeps compiled networks. A frame of many tiles has nine:
# corners, edges and the middle.
MAX_COMPILED = 12
PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}


class OpenVinoNetwork:
    """The network of a model file in OpenVINO; its tensors are on the CPU.

    It is compiled when an image size first occurs, because networks of fixed size are faster, and
    NPUs support no others. Each thread compiles its own, for the number of cores that PyTorch would
    use in it.

    Args:
        path: the model file, which has been checked.
        example: inputs of the network.
        name: the device's name, such as "openvino:GPU".

    Raises:
        ModelError: OpenVINO cannot read the network.
    """

    def __init__(self, path: Path, example: tuple[Tensor, ...], name: str) -> None:
        import openvino

        self._target = name.removeprefix(f"{OPENVINO}:")
        self._core = openvino.Core()
        self._converting = threading.Lock()
        self._of_thread = threading.local()
        try:
            self._converted = _convert(read_for_other_runtimes(path), example)
        except ModelError:
            raise
        except Exception as error:  # the converter can raise anything
            raise ModelError(f"{path}: OpenVINO cannot read its network: {error}") from error

    def __call__(self, inputs: tuple[Tensor, ...], precision: torch.dtype) -> tuple[Tensor, ...]:
        """Runs the network; arguments and result are those of `Model`."""
        request = self._request(tuple(tuple(x.shape) for x in inputs), precision)
        arrays = [x.contiguous().numpy() for x in inputs]
        results = request.infer(arrays, share_inputs=True)
        return tuple(torch.from_numpy(results[k]) for k in range(len(results)))

    def _request(self, shapes: tuple[tuple[int, ...], ...], precision: torch.dtype) -> Any:
        if not hasattr(self._of_thread, "requests"):
            self._of_thread.requests = OrderedDict()
        requests = self._of_thread.requests
        key = shapes, precision
        if key not in requests:
            requests[key] = self._compile(shapes, precision)
            if len(requests) > MAX_COMPILED:
                requests.popitem(last=False)
        requests.move_to_end(key)
        return requests[key]

    def _compile(self, shapes: tuple[tuple[int, ...], ...], precision: torch.dtype) -> Any:
        with self._converting:
            network = self._converted.clone()
        network.reshape(dict(enumerate(map(list, shapes))))
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": PRECISIONS[precision]}
        if self._target == "CPU":
            # If each thread's network pinned its own cores, two might get the same one.
            options |= {
                "INFERENCE_NUM_THREADS": torch.get_num_threads(), "ENABLE_CPU_PINNING": False
            }  # fmt: skip
        if self._target == "AUTO":
            # Otherwise the first frames run on the CPU, and the chosen device would not be checked.
            options["ENABLE_STARTUP_FALLBACK"] = False
        compiled = self._core.compile_model(network, self._target, options)
        return compiled.create_infer_request()


def _convert(network: torch.jit.ScriptModule, example: tuple[Tensor, ...]) -> Any:
    """OpenVINO's form of a network, by its frontend: `convert_model` reports its use to Intel."""
    from openvino import PartialShape, Type
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchScriptPythonDecoder(network, example_input=example)
    loaded = frontend.load(decoder)
    for place, tensor in zip(loaded.get_inputs(), example, strict=True):
        loaded.set_element_type(place, Type.f32)
        loaded.set_partial_shape(place, PartialShape([*tensor.shape[:2], -1, -1]))
    return frontend.convert(loaded)
