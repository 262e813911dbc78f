"""Frames on an NVIDIA GPU, compared with the CPU; skipped without a GPU."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from rs_denoise.denoiser import DEFAULT_TILE_PX, Denoiser
from rs_denoise.gate import Gate
from rs_denoise.model import Model, example_inputs
from rs_denoise.pipeline import tile_size
from rs_denoise.pipeline.adaptive_denoiser import AdaptiveDenoiser
from rs_denoise.pipeline.device_errors import DeviceMemoryError
from rs_denoise.precision import compare, load_with_fallback
from rs_denoise.shipped_models import SHIPPED
from rs_denoise.synthetic_frame import TYPICAL_CAMERA, synthetic_frame, typical_camera
from rs_denoise.training.precision import choose_training_precision

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
HD_CAMERA = typical_camera(1280, 720)
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


def test_a_second_thread_gives_what_the_first_gave():
    depth, infrared, right = synthetic_frame(TYPICAL_CAMERA)
    denoiser = Denoiser(Model.load("unet", "cuda"), TYPICAL_CAMERA)
    expected = denoiser.denoise(depth, infrared, right).depth_mm
    (got,) = ThreadPoolExecutor(1).map(lambda _: denoiser.denoise(depth, infrared, right), [0])
    np.testing.assert_allclose(got.depth_mm, expected, rtol=1e-3)


@pytest.mark.parametrize("name", SHIPPED_MODELS)
def test_a_network_does_not_wait_for_the_gpu(name):
    model = Model.load(name, "cuda")
    inputs = [x.cuda() for x in example_inputs(model.manifest)]
    model(*inputs)
    torch.cuda.set_sync_debug_mode("error")
    try:
        model(*inputs)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_gpu_that_is_full_gets_smaller_tiles_and_with_room_again_larger_ones(monkeypatch):
    depth, infrared, right = synthetic_frame(HD_CAMERA)
    model = Model.load("unet", "cuda")
    whole = Denoiser(model, HD_CAMERA).denoise(depth, infrared, right)
    denoiser = AdaptiveDenoiser(model, DEFAULT_TILE_PX)
    ballast = _fill_gpu_but(3 * _peak_bytes() // 4)
    messages, tiled = [], None
    while tiled is None and len(messages) < 8:
        try:
            tiled = denoiser.denoise(depth, infrared, right, HD_CAMERA, Gate())
        except DeviceMemoryError as error:
            messages.append(str(error))
    assert messages and "continuing with tiles of" in messages[0], messages
    assert tiled is not None, messages
    assert np.isclose(tiled.depth_mm, whole.depth_mm, rtol=1e-3).mean() > 0.999
    assert denoiser._tile_size.take() < DEFAULT_TILE_PX
    ballast.clear()
    torch.cuda.empty_cache()
    monkeypatch.setattr(tile_size.time, "monotonic", lambda: time.perf_counter() + 1e6)
    again = denoiser.denoise(depth, infrared, right, HD_CAMERA, Gate())
    assert denoiser._tile_size.take() == DEFAULT_TILE_PX
    assert np.isclose(again.depth_mm, whole.depth_mm, rtol=1e-3).mean() > 0.999


def test_after_a_failed_assertion_on_the_gpu_it_counts_as_lost():
    """In a process of its own, because no later test could use the GPU."""
    ended = subprocess.run(
        [sys.executable, "-c", FAILS_ON_THE_GPU], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert "cuda:0 is lost: CUDA error: device-side assert triggered" in ended.stdout


FAILS_ON_THE_GPU = """
import torch
from rs_denoise.gate import Gate
from rs_denoise.model import Model
from rs_denoise.pipeline.adaptive_denoiser import AdaptiveDenoiser
from rs_denoise.pipeline.device_errors import DeviceLostError
from rs_denoise.synthetic_frame import TYPICAL_CAMERA, synthetic_frame, typical_camera

frame = synthetic_frame(TYPICAL_CAMERA)
denoiser = AdaptiveDenoiser(Model.load("unet", "cuda"), 1536)
denoiser.denoise(*frame, TYPICAL_CAMERA, Gate())
torch.zeros(4, device="cuda")[torch.full((4,), 99, device="cuda")]
try:
    denoiser.denoise(*frame, TYPICAL_CAMERA, Gate())
except DeviceLostError as error:
    print(error)
"""


def _peak_bytes():
    """What a frame of 1280x720 needs beyond what stays allocated."""
    depth, infrared, right = synthetic_frame(HD_CAMERA)
    denoiser = Denoiser(Model.load("unet", "cuda"), HD_CAMERA)
    denoiser.denoise(depth, infrared, right)
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    torch.cuda.reset_peak_memory_stats()
    denoiser.denoise(depth, infrared, right)
    peak = torch.cuda.max_memory_reserved() - before
    torch.cuda.empty_cache()
    return peak


def _fill_gpu_but(free_bytes):
    """Allocates memory until about `free_bytes` are left."""
    ballast, size = [], 1 << 30
    while size >= 1 << 21:
        if torch.cuda.mem_get_info()[0] - size < free_bytes:
            size //= 2
        else:
            ballast.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    return ballast
