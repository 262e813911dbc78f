"""The path of a frame over an NVIDIA GPU, against the CPU's; skipped where there is none."""

import numpy as np
import pytest
import torch

from rs_denoise.denoiser import Denoiser
from rs_denoise.gate import Gate
from rs_denoise.model import Model
from rs_denoise.precision import compare, load_with_fallback
from rs_denoise.shipped_models import SHIPPED
from rs_denoise.synthetic_frame import TYPICAL_CAMERA, synthetic_frame
from rs_denoise.training.precision import choose_training_precision

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
SHIPPED_MODELS = sorted(path.stem for path in SHIPPED.glob("*.pt"))


@pytest.mark.parametrize("name", SHIPPED_MODELS)
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_a_gpu_gives_what_a_cpu_gives(name, precision):
    reference = Model.load(name, "cpu", "float32")
    agreement = compare(Model.load(name, "cuda", precision), reference)
    assert agreement.holds, agreement


@pytest.mark.parametrize("tile_px", [512, 1536])
@pytest.mark.parametrize("kind", [np.uint16, ">u2", np.float32, np.float64])
def test_every_kind_of_depth_goes_up_and_comes_down(kind, tile_px):
    depth, infrared, _ = synthetic_frame(TYPICAL_CAMERA)
    gate = Gate(max_range_mm=5000)
    on_cpu, on_gpu = (
        Denoiser(Model.load("unet", device, "float32"), TYPICAL_CAMERA, gate, tile_px)
        for device in ("cpu", "cuda")
    )
    expected, got = on_cpu.denoise(depth, infrared), on_gpu.denoise(depth.astype(kind), infrared)
    assert got.depth_mm.dtype == got.confidence.dtype == np.float32
    agree = np.isclose(got.depth_mm, expected.depth_mm, rtol=1e-3)
    assert agree.mean() > 0.999 and np.isfinite(got.confidence).all()
    assert abs(got.valid_before_range - expected.valid_before_range) < 1e-3


def test_results_stay_when_the_next_frame_comes():
    depth, infrared, _ = synthetic_frame(TYPICAL_CAMERA)
    denoiser = Denoiser(load_with_fallback("unet", "cuda"), TYPICAL_CAMERA)
    first = denoiser.denoise(depth, infrared)
    kept = first.depth_mm.copy()
    denoiser.denoise(depth // 2, infrared)
    np.testing.assert_array_equal(first.depth_mm, kept)


def test_training_uses_bfloat16_where_the_gpu_computes_it():
    precision, reason = choose_training_precision("auto")
    native = torch.cuda.get_device_capability() >= (8, 0)
    assert precision == ("bf16-mixed" if native else "32-true"), reason
