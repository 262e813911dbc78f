"""Writes the network of a model file as ONNX, for runtimes that do not read TorchScript."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from pathlib import Path

import onnx
import torch

from rs_denoise.manifest import Manifest
from rs_denoise.model import Model, example_inputs
from rs_denoise.network_kind import NetworkKind
from rs_denoise.recordings.atomic_output import atomic_output
from rs_denoise.torchscript import read_for_other_runtimes
from rs_denoise.training.export import ExportError

OPSET = 17


def export_onnx(model_file: Path | str, out: Path) -> Manifest:
    """Writes the network of a model file as ONNX, with the manifest as its metadata.

    Height and width are dynamic. Inputs and outputs have the manifest's names; an output with the
    same name as an input is prefixed with `denoised_`.

    Args:
        model_file: as for `Model`.
        out: the ONNX file; replaced if it exists.

    Raises:
        ModelError: as of `Model`.
        ExportError: the network uses an operator that PyTorch cannot write as ONNX.
    """
    model = Model(model_file, "cpu", "float32")
    network = read_for_other_runtimes(model.path)
    kind = model.kind
    with atomic_output(out) as unfinished:
        try:
            with warnings.catch_warnings():
                # The exporter that takes TorchScript is deprecated; the other one takes none.
                warnings.simplefilter("ignore")
                torch.onnx.utils.export(
                    network, example_inputs(model.manifest), str(unfinished), opset_version=OPSET,
                    input_names=kind.input_names, output_names=output_names(kind),
                    dynamic_axes=_dynamic_axes(kind),
                )  # fmt: skip
        except Exception as error:  # the exporter can raise anything
            raise ExportError(
                f"{model.path}: PyTorch cannot write this network as ONNX: {error}"
            ) from error
        written = onnx.load(unfinished)
        values = asdict(model.manifest)
        onnx.helper.set_model_props(written, {k: json.dumps(v) for k, v in values.items()})
        onnx.save(written, unfinished)
    return model.manifest


def output_names(kind: NetworkKind) -> list[str]:
    """Names of the ONNX file's outputs; ONNX allows no output with the name of an input."""
    return [f"denoised_{n}" if n in kind.input_names else n for n in kind.outputs]


def _dynamic_axes(kind: NetworkKind) -> dict[str, dict[int, str]]:
    sizes = {i.name: "" if i.stride == 1 else f"_{i.stride}" for i in kind.inputs}
    sizes |= dict.fromkeys(output_names(kind), "")
    return {name: {2: f"height{part}", 3: f"width{part}"} for name, part in sizes.items()}
