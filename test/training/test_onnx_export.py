"""ONNX files give the same results in ONNX Runtime as their model files in PyTorch."""

import json

import numpy as np
import pytest
import torch

onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")

from cli.in_process import run_in_process
from rs_denoise.cli.main import main
from rs_denoise.model import Model, save
from rs_denoise.network_kind import FrameTensors
from rs_denoise.networks import NETWORKS
from rs_denoise.shipped_models import shipped_names
from rs_denoise.training.export import ExportError
from rs_denoise.training.onnx_export import export_onnx, output_names
from scenes import Scaled, kind_fields, manifest

MAX_DIFFERENCE_PX = 0.001
# A residual of many px is a sinh, which enlarges what another order of additions rounds.
MAX_OUTLIER_PX, MAX_OUTLIERS = 0.01, 1e-4


def inputs_of(model, frame, height, width):
    """The network's inputs for the upper left part of a frame."""

    def part(image):
        return torch.from_numpy(image[:height, :width].astype(np.float32))[None, None]

    scale = frame.camera.disparity_scale_px_mm
    depth_mm = part(frame.depth_mm)
    measured_px = torch.where(depth_mm > 0, scale / depth_mm, 0.0)
    return model.kind.prepare_inputs(
        FrameTensors(measured_px, part(frame.infrared), part(frame.infrared_right), scale)
    )


def run_onnx(path, inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_inputs()]
    outputs = session.run(None, dict(zip(names, (x.numpy() for x in inputs), strict=True)))
    return session, [torch.from_numpy(x) for x in outputs]


@pytest.mark.parametrize("name", shipped_names())
def test_onnx_runtime_gives_what_the_model_gives_at_any_size(name, sample_frame, tmp_path):
    path = tmp_path / "model.onnx"
    out = run_in_process(main, "export", name, path, "--onnx")
    assert out.returncode == 0 and "height and width are multiples of 16" in out.stdout, out.stderr
    model = Model.load(name, "cpu", "float32")
    for size in ((480, 848), (240, 432)):
        inputs = inputs_of(model, sample_frame, *size)
        session, outputs = run_onnx(path, inputs)
        with torch.inference_mode():
            for expected, got in zip(model(*inputs), outputs, strict=True):
                torch.testing.assert_close(got, expected, atol=MAX_OUTLIER_PX, rtol=0)
                different = (got - expected).abs() > MAX_DIFFERENCE_PX
                assert different.float().mean() <= MAX_OUTLIERS
    assert [x.name for x in session.get_inputs()] == model.manifest.inputs
    assert [x.name for x in session.get_outputs()] == output_names(model.kind)
    written = session.get_modelmeta().custom_metadata_map
    assert json.loads(written["stride_px"]) == 16
    assert json.loads(written["inputs"]) == model.manifest.inputs


@pytest.mark.parametrize("name", ["autoencoder-classic", "ccgan-classic"])
def test_the_networks_of_2020_too(name, sample_frame, tmp_path):
    network, fields = NETWORKS[name].build().eval(), kind_fields("none")
    save(network, manifest(stride_px=network.stride, **fields), tmp_path / "model.pt")
    export_onnx(tmp_path / "model.pt", tmp_path / "model.onnx")
    model = Model.load(tmp_path / "model.pt", "cpu", "float32")
    inputs = inputs_of(model, sample_frame, 128, 192)
    _, (got,) = run_onnx(tmp_path / "model.onnx", inputs)
    with torch.inference_mode():
        torch.testing.assert_close(got, model(*inputs)[0], atol=0.1, rtol=1e-5)  # mm


def test_a_checkpoint_is_written_too(sample_frame, tmp_path):
    network = NETWORKS["unet-tiny"].build().eval()
    weights = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    content = {"hyper_parameters": {"network": "unet-tiny"}, "state_dict": weights}
    torch.save(content, tmp_path / "last.ckpt")
    out = run_in_process(
        main, "export", tmp_path / "last.ckpt", tmp_path / "model.onnx", "--onnx",
        "--name", "mine", "--training-data", "none",
    )  # fmt: skip
    assert out.returncode == 0, out.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"last.ckpt", "model.onnx"}
    save(network, manifest(**kind_fields(NETWORKS["unet-tiny"].kind)), tmp_path / "model.pt")
    model = Model.load(tmp_path / "model.pt", "cpu", "float32")
    inputs = inputs_of(model, sample_frame, 128, 192)
    session, outputs = run_onnx(tmp_path / "model.onnx", inputs)
    with torch.inference_mode():
        for expected, got in zip(network(*inputs), outputs, strict=True):
            torch.testing.assert_close(got, expected, atol=MAX_DIFFERENCE_PX, rtol=0)
    assert json.loads(session.get_modelmeta().custom_metadata_map["name"]) == "mine"


class Unwritable(Scaled):
    """Uses an operator that ONNX lacks."""

    def forward(self, disparity_px, infrared):
        return disparity_px + 0 * torch.special.i1(infrared), torch.ones_like(disparity_px)


def test_a_network_that_cannot_be_written_is_an_error_and_leaves_no_file(make_model, tmp_path):
    model, out = make_model(Unwritable()), tmp_path / "model.onnx"
    with pytest.raises(ExportError, match=r"model.pt: PyTorch cannot write this network as ONNX"):
        export_onnx(model.path, out)
    assert not out.exists() and not list(tmp_path.glob("*.part"))


def test_wrong_arguments_are_named(make_model, tmp_path):
    path = make_model(Scaled()).path
    out = run_in_process(main, "export", path, tmp_path / "other.pt")
    assert out.returncode == 2 and "only --onnx takes one" in " ".join(out.stderr.split())
    out = run_in_process(main, "export", path, tmp_path / "a.onnx", "--onnx", "--name", "mine")
    assert out.returncode == 2 and "are for a checkpoint" in " ".join(out.stderr.split())
    assert not (tmp_path / "a.onnx").exists()
    (tmp_path / "last.ckpt").write_bytes(b"checkpoint")
    out = run_in_process(main, "export", tmp_path / "last.ckpt", tmp_path / "other.pt")
    assert out.returncode == 2 and "needs --name and" in " ".join(out.stderr.split())
