"""OpenVINO's results equal PyTorch's. Its CPU plugin runs here; GPU and NPU need Intel devices."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from rs_denoise.denoiser import Denoiser
from rs_denoise.device import find_device, name_device
from rs_denoise.manifest import ModelError
from rs_denoise.model import Model
from rs_denoise.pipeline.resources import NetworkSettings, SharedResources
from rs_denoise.precision import choose_precision
from rs_denoise.shipped_models import BEST_FIRST, shipped_names
from scenes import Scaled

MAX_MOST_PX, MAX_PX = 0.02, 0.1


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r"needs the package openvino.*pip install openvino"):
        Model.load("unet-tiny", "openvino")


class TestInstalled:
    @pytest.fixture(autouse=True)
    def openvino(self):
        return pytest.importorskip("openvino", reason="the extra 'openvino' is not installed")

    @pytest.mark.parametrize(
        "name, tile_px", [*((name, 1536) for name in shipped_names()), (BEST_FIRST[-1], 432)]
    )
    def test_disparity_and_confidence_are_those_of_pytorch(self, name, tile_px, sample_frame):
        frame = sample_frame
        ours, theirs = (
            Denoiser(Model.load(name, device, "float32"), frame.camera, tile_px=tile_px).estimate(
                frame.depth_mm, frame.infrared, frame.infrared_right
            )
            for device in ("openvino", "cpu")
        )
        apart = (ours.disparity_px - theirs.disparity_px).abs().numpy()
        assert np.quantile(apart, 0.999) <= MAX_MOST_PX and apart.max() <= MAX_PX
        assert (ours.confidence - theirs.confidence).abs().max() < 0.01

    def test_names_of_devices(self):
        assert name_device("openvino") == name_device("openvino:CPU") == "openvino:CPU"
        assert name_device("openvino:AUTO") == "openvino:AUTO"
        assert find_device("openvino") == torch.device("cpu")
        with pytest.raises(ModelError, match=r"'openvino:TPU' cannot be used: OpenVINO finds CPU"):
            Model.load("unet-tiny", "openvino:TPU")

    def test_openvino_chooses_the_device(self, sample_frame):
        model = Model.load("unet-tiny", "openvino:AUTO")
        assert model.device_name == "openvino:AUTO"
        kept, agreement = choose_precision(model)
        # On a CPU with bfloat16 it may be loaded again in float32.
        assert kept.device_name == "openvino:AUTO" and agreement.holds

    def test_it_is_compared_with_pytorch_at_start_in_float32_too(self):
        model = Model.load("unet-tiny", "openvino", "float32")
        kept, agreement = choose_precision(model)
        assert kept is model and agreement.holds

    def test_a_network_that_openvino_computes_wrongly_runs_in_pytorch(self, make_model):
        path = make_model(Scaled()).path
        model = Model.load(path, "openvino", "float32")
        make_model(Scaled(1.01))  # the file that PyTorch reads has changed: results differ
        kept, agreement = choose_precision(model)
        assert not agreement.holds and kept.device_name == "cpu"

    def test_a_network_that_openvino_cannot_read_is_an_error(self, make_model):
        class Unreadable(nn.Module):
            def forward(self, disparity_px, infrared):
                zero = 0 * torch.special.i1(infrared)
                return disparity_px + zero, torch.ones_like(disparity_px)

        with pytest.raises(ModelError, match=r"model.pt: OpenVINO cannot read its network"):
            Model.load(make_model(Unreadable()).path, "openvino")

    def test_threads_compute_concurrently(self, sample_frame):
        frame, model = sample_frame, Model.load("unet-tiny", "openvino", "float32")
        denoiser = Denoiser(model, frame.camera)
        images = frame.depth_mm, frame.infrared
        alone = denoiser.denoise(*images).depth_mm
        with ThreadPoolExecutor(2) as threads:
            for result in threads.map(lambda _: denoiser.denoise(*images).depth_mm, range(6)):
                np.testing.assert_array_equal(result, alone)

    def test_the_node_prepares_it(self):
        network = SharedResources().prepare(NetworkSettings("unet-tiny", "openvino"))
        assert network.model.device_name == "openvino:CPU"
        assert " on openvino:CPU in " in network.note
