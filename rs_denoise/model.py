"""A model: the network of a model file, ready to run on one device.

A model file is TorchScript with a manifest in its extra files. It is a program, and its output
decides where a robot drives: load only files whose origin you trust.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from rs_denoise.device import OPENVINO_DEFAULT, find_device, name_device, uses_openvino
from rs_denoise.idle_cores import use_idle_cores
from rs_denoise.manifest import Manifest, ModelError
from rs_denoise.model_archive import MANIFEST, read_manifest
from rs_denoise.network_kind import NETWORK_KINDS, NetworkInput, NetworkKind
from rs_denoise.openvino_network import OpenVinoNetwork
from rs_denoise.shipped_models import DEFAULT_MODEL, model_file
from rs_denoise.torchscript import PytorchNetwork, read_network, write_network

# Types of the convolutions, by name.
PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# NVIDIA GPUs of at least this compute capability (Volta, Xavier) compute float16 in tensor cores.
TENSOR_CORE_CAPABILITY = (7, 0)
MIN_TORCH = (2, 3)


class Model:
    """A loaded model: its manifest and the network, ready on one device.

    It can be pickled, for another process, which loads the file again. The constructor leaves
    PyTorch's number of threads unchanged, for programs that set it; `load` is for all others.

    Args:
        path: a file that `save` wrote, or the name of a shipped model, such as "unet-tiny".
        device: "cpu", "cuda", "cuda:1", ... or "auto": a GPU if there is one. With OpenVINO
            "openvino" (the CPU), "openvino:GPU", "openvino:NPU", "openvino:AUTO".
        precision: type of the convolutions, one of PRECISIONS, or "auto": bfloat16 on a CPU that
            computes it natively (twice as fast), float16 on a GPU with tensor cores, float32
            elsewhere. `rs_denoise.precision` checks that a network keeps its accuracy.

    Attributes:
        manifest: what the file says about itself.
        kind: the network's inputs and outputs.
        device_name: where the convolutions are computed: "cpu", "cuda:0", "openvino:GPU", ...
        device: where inputs and outputs are.
        precision: type in which the convolutions are computed.
        path: the file.

    Raises:
        ModelError: the file does not exist, is not a model, is truncated or of a newer version; its
            network does not match the manifest; the device does not exist; or PyTorch is too old.
    """

    def __init__(
        self, path: Path | str = DEFAULT_MODEL, device: str = "auto", precision: str = "auto"
    ) -> None:
        self.path = model_file(path)
        _require_torch()
        self.device_name = name_device(device)
        self.device = find_device(self.device_name)
        self.manifest = read_manifest(self.path)
        self.kind: NetworkKind = NETWORK_KINDS[self.manifest.confidence]
        self.precision = _choose_dtype(precision, self.device_name)
        self._network = self._read_network()
        try:
            self._check_network()
        except ModelError:
            # Numbers too large for float16 become infinite.
            if precision != "auto" or self.precision == torch.float32:
                raise
            self.precision = torch.float32
            self._check_network()

    @classmethod
    def load(
        cls, path: Path | str = DEFAULT_MODEL, device: str = "auto", precision: str = "auto"
    ) -> Model:
        """Loads a model, and on a CPU limits PyTorch's threads to the idle cores.

        To choose their number yourself, set OMP_NUM_THREADS, or call `torch.set_num_threads` after
        loading: a number set before looks like PyTorch's default, so `use_idle_cores` lowers it too
        if fewer cores are idle. Arguments and errors are those of the class.
        """
        model = cls(path, device, precision)
        if model.device_name == "cpu":
            use_idle_cores()
        return model

    @property
    def precision_name(self) -> str:
        """The precision as a key of PRECISIONS, such as "float16"."""
        return str(self.precision).removeprefix("torch.")

    @property
    def predicts_uncertainty(self) -> bool:
        """Whether results have a confidence."""
        return self.kind.predicts_uncertainty

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Runs the network.

        Args:
            inputs: the kind's inputs in order, float32; the frame's height and width are multiples
                of the network's stride.

        Returns:
            The kind's outputs in order, each [N, 1, H, W] float32.
        """
        return self._network(inputs, self.precision)

    def __reduce__(self) -> tuple:
        return Model.load, (self.path.resolve(), self.device_name, self.precision_name)

    def _read_network(self) -> OpenVinoNetwork | PytorchNetwork:
        if uses_openvino(self.device_name):
            return OpenVinoNetwork(self.path, example_inputs(self.manifest), self.device_name)
        return PytorchNetwork(self.path, self.device)

    def _check_network(self) -> None:
        """Checks sizes, types and values once, on a small image that is not square."""
        example = example_inputs(self.manifest)
        shape = tuple(example[0].shape)
        try:
            with torch.inference_mode():
                outputs = self(*(tensor.to(self.device) for tensor in example))
            shapes = [tuple(x.shape) for x in outputs]
            sound = all(x.dtype == torch.float32 and x.isfinite().all() for x in outputs)
            positive = all(bool((x > 0).all()) for x in outputs[1:])
        except Exception as error:  # a hostile network can raise anything
            raise ModelError(f"{self.path}: its network does not run: {error}") from error
        count = len(self.kind.outputs)
        if shapes != [shape] * count or not sound or not positive:
            raise ModelError(
                f"{self.path}: expected {count} finite float32 outputs of shape {shape}, a scale "
                f"being positive, got shapes {shapes}: this is not a denoising model"
            )


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a model file by layer name, as initial weights for training.

    Raises:
        ModelError: as of `Model`.
    """
    read_manifest(path)
    return dict(read_network(path).state_dict())


def save(network: nn.Module, manifest: Manifest, path: Path) -> None:
    """Traces `network` and writes it as a model file, which runs at any multiple of the stride."""
    extra = {MANIFEST: json.dumps(asdict(manifest), indent=1)}
    write_network(network, example_inputs(manifest), path, extra)


def _require_torch() -> None:
    version = tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2])
    if version < MIN_TORCH:
        needed = ".".join(map(str, MIN_TORCH))
        raise ModelError(
            f"PyTorch {torch.__version__} is too old: {needed} or newer is needed; run "
            f"'pip install --upgrade torch', on Jetson install NVIDIA's newest wheel"
        )


def example_inputs(
    manifest: Manifest, count: int = 1, size: tuple[int, int] | None = None
) -> tuple[Tensor, ...]:
    """Inputs of `count` frames of height and width `size`, by default small, on the CPU."""
    height, width = size or (4 * manifest.stride_px, 8 * manifest.stride_px)
    first, *others = NETWORK_KINDS[manifest.confidence].inputs

    def filled(value: float, tensor: NetworkInput) -> Tensor:
        stride = tensor.stride
        return torch.full((count, tensor.channels, height // stride, width // stride), value)

    return (filled(20.0, first), *(filled(40.0, other) for other in others))


def cpu_computes_bfloat16() -> bool:
    """Whether this CPU computes bfloat16 natively; emulation is slower than float32."""
    # Torch 2.3 has neither function.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)


def _choose_dtype(name: str, device_name: str) -> torch.dtype:
    if name in PRECISIONS:
        return PRECISIONS[name]
    if name != "auto":
        expected = ", ".join(("auto", *PRECISIONS))
        raise ModelError(f"precision must be one of {expected}, got {name!r}")
    device = find_device(device_name)
    if uses_openvino(device_name) and device_name != OPENVINO_DEFAULT:
        return torch.float16  # OpenVINO falls back to float32 if the device has nothing faster
    if device.type == "cuda":
        capable = torch.cuda.get_device_capability(device) >= TENSOR_CORE_CAPABILITY
        return torch.float16 if capable else torch.float32
    native = device.type == "cpu" and cpu_computes_bfloat16()
    return torch.bfloat16 if native else torch.float32
