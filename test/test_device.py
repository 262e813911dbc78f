"""How a device is chosen. No GPU is needed: PyTorch's answers about it are replaced."""

import pytest
import torch

from rs_denoise import device
from rs_denoise.device import find_device
from rs_denoise.manifest import ModelError
from rs_denoise.model import Model
from rs_denoise.pipeline.resources import NetworkSettings, SharedResources
from scenes import Scaled

COMPLAINT = "CUDA error: no kernel image is available for execution on the device"


@pytest.fixture
def unusable_gpu(monkeypatch):
    """A GPU that PyTorch sees and has no code for."""
    ones = torch.ones

    def fail(*size, device="cpu", **options):
        if str(device).startswith("cuda"):
            raise RuntimeError(COMPLAINT + "\nCompile with `TORCH_USE_CUDA_DSA`")
        return ones(*size, device=device, **options)

    monkeypatch.setattr(device, "_sees_gpu", lambda: True)
    monkeypatch.setattr(torch, "ones", fail)
    device._gpu_works.cache_clear()
    yield
    device._gpu_works.cache_clear()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_cpu_computes_and_nothing_is_said(caplog):
    assert find_device("auto") == torch.device("cpu") and not caplog.text
    with pytest.raises(ModelError, match=r"device 'cuda' cannot be used .*; use 'cpu' or 'auto',"):
        find_device("cuda")


def test_a_gpu_that_cannot_be_used_is_replaced_by_the_cpu_with_one_warning(unusable_gpu, caplog):
    for _ in range(3):
        assert find_device("auto") == torch.device("cpu")
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == f"the GPU cannot be used, the CPU computes instead: {COMPLAINT}"


def test_one_that_is_asked_for_by_name_is_an_error(unusable_gpu):
    for name in ("cuda", "cuda:0"):
        with pytest.raises(ModelError, match="no kernel image .* use 'cpu' or 'auto', or install"):
            find_device(name)


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "meta"])
def test_what_is_no_device_is_an_error(name):
    with pytest.raises(ModelError, match=f"device '{name}' cannot be used"):
        find_device(name)


def test_models_run_on_the_cpu_instead_and_nothing_is_said_to_who_asks_for_it(
    unusable_gpu, make_model, caplog
):
    path = str(make_model(Scaled()).path)
    assert SharedResources().prepare(NetworkSettings(path, "cpu")).model.device.type == "cpu"
    assert not caplog.text
    assert SharedResources().prepare(NetworkSettings(path, "auto")).model.device.type == "cpu"
    assert Model.load(path).device.type == "cpu"
    assert caplog.text.count(COMPLAINT) == 1
