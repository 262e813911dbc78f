import re

import numpy as np
import pytest
import torch
from torch import nn

from rs_denoise.camera import Camera
from rs_denoise.manifest import ModelError
from rs_denoise.model import Model
from rs_denoise.pipeline.resources import NetworkSettings, SharedResources
from rs_denoise.precision import choose_precision, compare
from rs_denoise.shipped_models import SHIPPED
from rs_denoise.synthetic_frame import TYPICAL_CAMERA, synthetic_frame
from scenes import Scaled


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.pt")), ids=lambda path: path.stem)
def test_shipped_models_may_be_computed_in_bfloat16(path):
    reference = Model.load(path, "cpu", "float32")
    agreement = compare(Model.load(path, "cpu", "bfloat16"), reference)
    assert agreement.holds and agreement.difference_px > 0, agreement
    assert re.fullmatch(
        r"disparity differs by at most 0\.0\d\d px at 99\.9 % of the pixels, "
        r"and 0\.\d\d % are valid in only one of the two",
        str(agreement),
    )


class Sloppy(nn.Module):
    """A network that loses 0.1 px wherever it computes in bfloat16."""

    def __init__(self):
        super().__init__()
        self.identity = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.identity.weight)

    def forward(self, disparity_px, infrared):
        rounded = self.identity(disparity_px).float()
        return rounded, torch.full_like(rounded, 0.05)


def test_a_network_that_suffers_from_it_is_computed_in_float32(make_model, tmp_path):
    make_model(Sloppy())
    reduced = Model.load(tmp_path / "model.pt", "cpu", "bfloat16")
    model, agreement = choose_precision(reduced)
    assert agreement is not None and not agreement.holds
    assert model.precision == torch.float32 and reduced.precision == torch.bfloat16


def test_the_log_says_why_a_network_is_computed_in_float32(make_model, tmp_path, monkeypatch):
    make_model(Sloppy())
    monkeypatch.setattr("rs_denoise.model.cpu_computes_bfloat16", lambda: True)
    network = SharedResources().prepare(NetworkSettings(str(tmp_path / "model.pt"), "cpu"))
    assert " in float32, " in network.note
    why = "PyTorch in float32 is used, because otherwise disparity differs by at most 0."
    assert why in network.note


class NearTheEnd(nn.Module):
    """Numbers that float32 can just hold and bfloat16 cannot, from `limit_px` of disparity on."""

    def __init__(self, limit_px):
        super().__init__()
        self.large = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(self.large.weight, 3.4e38 / limit_px)

    def forward(self, disparity_px, infrared):
        same = self.large(disparity_px).float() / self.large.weight.float()
        return same, torch.full_like(same, 0.05)


def test_a_network_that_overflows_in_it_is_computed_in_float32(make_model, tmp_path, monkeypatch):
    depth_mm, *_ = synthetic_frame(TYPICAL_CAMERA)
    nearest_px = TYPICAL_CAMERA.disparity_scale_px_mm / depth_mm[depth_mm > 0].min()
    make_model(NearTheEnd(float(nearest_px)))
    path = tmp_path / "model.pt"
    model, agreement = choose_precision(Model.load(path, "cpu", "bfloat16"))
    assert model.precision == torch.float32 and not agreement.holds
    monkeypatch.setattr("rs_denoise.model.cpu_computes_bfloat16", lambda: True)
    assert Model.load(path, "cpu").precision == torch.bfloat16


def test_a_network_that_overflows_at_once_is_loaded_in_float32(make_model, tmp_path, monkeypatch):
    make_model(NearTheEnd(20.0))
    path = tmp_path / "model.pt"
    monkeypatch.setattr("rs_denoise.model.cpu_computes_bfloat16", lambda: True)
    assert Model.load(path, "cpu").precision == torch.float32
    with pytest.raises(ModelError, match="finite"):
        Model.load(path, "cpu", "bfloat16")


def test_float32_needs_no_comparison(make_model):
    model = make_model(Scaled())
    assert choose_precision(model) == (model, None)


def test_the_synthetic_frame_is_one_as_cameras_give_it():
    depth, infrared, infrared_right = synthetic_frame(TYPICAL_CAMERA)
    assert depth.shape == infrared.shape == infrared_right.shape == (480, 848)
    assert (depth.dtype, infrared.dtype) == (np.uint16, np.uint8)
    assert infrared_right.dtype == np.uint8
    assert depth[depth > 0].min() > 590 and 7000 < depth.max() < 9000
    assert 0.001 < (depth == 0).mean() < 0.1
    np.testing.assert_array_equal(depth, synthetic_frame(TYPICAL_CAMERA)[0])
    small = synthetic_frame(Camera(64, 48, 40.0, 40.0, 31.5, 23.5, 0.05))[0]
    assert small.shape == (48, 64)


def test_the_right_infrared_of_the_synthetic_frame_matches_the_left_at_its_depth():
    depth, infrared, infrared_right = synthetic_frame(TYPICAL_CAMERA)
    scale = TYPICAL_CAMERA.disparity_scale_px_mm
    y, x = np.nonzero(depth)
    disparity = np.rint(scale / depth[y, x]).astype(int)
    inside = x >= disparity
    y, x, disparity = y[inside], x[inside], disparity[inside]
    matches = infrared[y, x] == infrared_right[y, x - disparity]
    off_by_two = infrared[y, x - 2] == infrared_right[y, x - disparity]
    # The rest is hidden from the right imager.
    assert matches.mean() > 0.9 and off_by_two.mean() < 0.1
