import json
import pickle
from dataclasses import asdict

import pytest
import torch
from torch import nn

from rs_denoise.manifest import FORMAT, READABLE_FORMATS, Manifest, ModelError
from rs_denoise.model import Model, save
from rs_denoise.networks.unet import UNet
from rs_denoise.shipped_models import DEFAULT_MODEL, SHIPPED, model_file, shipped_names
from scenes import kind_fields, manifest, rewritten


def test_a_saved_model_says_what_it_is(good):
    assert Model.load(good, "cpu").manifest == manifest()


def test_it_runs_at_other_sizes_than_it_was_traced_at(good):
    model = Model.load(good, "cpu", "float32")
    disparity = torch.rand(2, 1, 48, 80) + 1
    output, scale = model(disparity, torch.zeros_like(disparity))
    assert torch.equal(output, disparity) and scale.shape == disparity.shape


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.pt")))
def test_convolutions_are_told_how_cudnn_is_to_compute_them(name):
    """Their flags are constants of the graph, and torch.backends does not change them."""
    model = Model.load(name, "cpu", "float32")
    convolutions = model._network.script.graph.findAllNodes("aten::_convolution", True)
    assert len(convolutions) >= 10
    for convolution in convolutions:
        benchmark, deterministic, enabled, allow_tf32 = (
            convolution.inputsAt(place).toIValue() for place in range(9, 13)
        )
        assert enabled and not (benchmark or deterministic or allow_tf32)


def test_a_pytorch_that_is_too_old_is_named(good, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.2.1+cu121")
    with pytest.raises(ModelError, match=r"PyTorch 2\.2\.1\+cu121 is too old: 2\.3 or newer"):
        Model.load(good, "cpu")


def test_shipped_models_go_by_name():
    assert Model.load("unet-tiny", "cpu").manifest.network == "unet-tiny"
    with pytest.raises(
        ModelError, match=f"unet-huge: no such .* are {', '.join(shipped_names())},"
    ):
        Model.load("unet-huge", "cpu")


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.pt")), ids=lambda path: path.stem)
def test_shipped_models_are_small_and_have_a_card(path):
    assert path.stat().st_size <= 5e6
    parameters = torch.jit.load(str(path)).parameters()
    assert 0 < sum(p.numel() for p in parameters) <= 1.2e6
    model = Model.load(path, "cpu")
    assert model.manifest.name in path.with_suffix(".md").read_text()
    assert model.manifest.verdict == "better than identity" and model.predicts_uncertainty


def test_the_folder_of_a_training_run_does_not_hide_a_shipped_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unet").mkdir()
    assert model_file("unet") == SHIPPED / "unet.pt"


def test_a_missing_file():
    with pytest.raises(ModelError, match=r"nowhere\.pt: no such model file"):
        Model.load("nowhere.pt")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\3\4" + bytes(100)])
def test_a_file_that_is_no_model(tmp_path, content):
    path = tmp_path / "no.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a model file, or a truncated one"):
        Model.load(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file(good, tmp_path, share):
    path = tmp_path / "cut.pt"
    data = good.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match="truncated"):
        Model.load(path)


@pytest.mark.parametrize("version", READABLE_FORMATS)
def test_files_of_earlier_formats_still_load(good, version):
    older = rewritten(good, lambda t: t.replace(f'"format": {FORMAT}', f'"format": {version}'))
    model = Model.load(older, "cpu", "float32")
    assert model.manifest.format == version and not model.kind.uses_right_infrared


def test_a_stride_that_evidence_does_not_fit(tmp_path):
    path = tmp_path / "odd.pt"
    save(UNet((8, 16)), manifest(stride_px=16, **kind_fields("laplace-stereo")), path)
    odd = rewritten(path, lambda t: t.replace('"stride_px": 16', '"stride_px": 15'))
    with pytest.raises(ModelError, match="stride_px must be a multiple of 2, its inputs', got 15"):
        Model.load(odd)


def test_a_manifest_of_a_newer_version(good):
    newer = rewritten(good, lambda t: t.replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}'))
    with pytest.raises(ModelError, match=f"format {FORMAT + 1}, .* reads up to {FORMAT}: upgrade"):
        Model.load(newer)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "null", '{"format": 1}', "[" * 50_000])
def test_a_manifest_that_is_none(good, text):
    with pytest.raises(ModelError, match="manifest is not valid"):
        Model.load(rewritten(good, lambda _: text))


@pytest.mark.parametrize(
    ("field", "value"),
    [("stride_px", 0), ("stride_px", "16"), ("stride_px", True), ("receptive_field_px", -1),
     ("receptive_field_px", 10**9), ("inputs", ["rgb"]), ("outputs", None),
     ("confidence", "none"), ("confidence", []), ("verdict", "fine")],
)  # fmt: skip
def test_a_manifest_that_lies_about_its_shape(good, field, value):
    text = json.dumps({**asdict(manifest()), field: value})
    with pytest.raises(ModelError, match=f"{field}|expected confidence"):
        Model.load(rewritten(good, lambda _: text))


def test_a_manifest_too_large_to_be_one(good):
    with pytest.raises(ModelError, match="manifest is larger than"):
        Model.load(rewritten(good, lambda _: "x" * 100_000))


def test_torchscript_without_manifest(tmp_path):
    path = tmp_path / "bare.pt"
    torch.jit.save(torch.jit.script(nn.Identity()), str(path))
    with pytest.raises(ModelError, match="has no manifest"):
        Model.load(path)


def test_a_pickle_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    for name, write in (("a.pt", lambda f: torch.save(Bomb(), f)),
                        ("b.pt", lambda f: f.write_bytes(pickle.dumps(Bomb())))):  # fmt: skip
        path = tmp_path / name
        write(path)
        with pytest.raises(ModelError):
            Model.load(path)
    assert not (tmp_path / "exploded").exists()


class Returns(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, disparity_px, infrared):
        if self.kind == "nan":
            return disparity_px * float("nan"), torch.ones_like(infrared)
        if self.kind == "negative":
            return disparity_px, -torch.ones_like(infrared)
        return disparity_px[..., ::2], torch.ones_like(infrared)


@pytest.mark.parametrize("kind", ["nan", "negative", "half"])
def test_a_network_that_does_not_denoise(tmp_path, kind):
    path = tmp_path / "bad.pt"
    save(Returns(kind), manifest(), path)
    with pytest.raises(ModelError, match="this is not a denoising model"):
        Model.load(path, "cpu")


def test_a_device_that_is_not_there(good):
    with pytest.raises(ModelError, match="device 'cuda:77' cannot be used"):
        Model.load(good, "cuda:77")


def test_half_precision_agrees_with_full(sample_frame):
    """Where a CPU has no bfloat16 it is emulated: slower, but the same numbers."""
    from rs_denoise.denoiser import Denoiser

    results = [
        Denoiser(Model.load(DEFAULT_MODEL, "cpu", p), sample_frame.camera)
        .denoise(sample_frame.depth_mm, sample_frame.infrared).depth_mm
        for p in ("float32", "bfloat16")
    ]  # fmt: skip
    scale = sample_frame.camera.disparity_scale_px_mm
    both = (results[0] > 0) & (results[1] > 0)
    difference = abs(scale / results[0][both] - scale / results[1][both])
    assert (difference <= 0.02).mean() >= 0.999
    assert ((results[0] > 0) != (results[1] > 0)).mean() <= 0.005


def test_manifest_round_trip(tmp_path):
    text = json.dumps(asdict(manifest()))
    assert Manifest.from_json(text, tmp_path) == manifest()
