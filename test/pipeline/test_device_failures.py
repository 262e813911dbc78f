"""A device that is full, lost or out of the range of float16, under real models and threads."""

import queue
import threading

import pytest
import torch
from torch import nn

from pipeline.harness import DAZZLED, SIZE, TIMEOUT_S
from rs_denoise import model as model_module
from rs_denoise.denoiser import Denoiser, NetworkError
from rs_denoise.model import Model, save
from rs_denoise.pipeline import tile_size
from rs_denoise.pipeline.device_errors import (
    DeviceLostError,
    DeviceMemoryError,
    is_device_lost,
    is_out_of_memory,
)
from rs_denoise.pipeline.resources import NetworkSettings, SharedResources
from scenes import manifest


class LargeWhenDazzled(nn.Module):
    """A network whose convolution gives more than float16 can hold, on white infrared."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(self.convolution.weight, 400.0)

    def forward(self, disparity_px, infrared):
        nothing = 0 * self.convolution(infrared).float()
        return disparity_px + nothing, torch.full_like(disparity_px, 0.05) + nothing


def break_device(monkeypatch, message):
    """There is no GPU here: CUDA's errors are raised where the network would run."""
    estimate = Denoiser.estimate

    def broken(self, depth_mm, infrared=None, infrared_right=None):
        if infrared is not None and infrared.min() == 255:
            raise RuntimeError(message)
        return estimate(self, depth_mm, infrared, infrared_right)

    monkeypatch.setattr(Denoiser, "estimate", broken)


def test_a_full_gpu_gets_smaller_tiles_until_none_fit(start, monkeypatch):
    break_device(monkeypatch, "CUDA error: out of memory")
    harness = start(tile_px=256)
    assert "with tiles of 48 px" in harness.process(infrared=DAZZLED).failure
    assert harness.process().failure is None
    failures = [harness.process(infrared=DAZZLED).failure for _ in range(8)]
    assert "out of GPU memory even with tiles of" in failures[-1]
    assert harness.process().failure is None and harness.fatal.empty()


def test_a_gpu_with_room_again_gets_larger_tiles_and_an_attempt_loses_no_frame(start, monkeypatch):
    now, full, used_px, estimate = [100.0], [True], [], Denoiser.estimate

    def broken(self, *images):
        used_px.append(self.tiling.tile_px)
        if full[0] and self.tiling.tile_px > 48:
            raise RuntimeError("CUDA error: out of memory")
        return estimate(self, *images)

    monkeypatch.setattr(Denoiser, "estimate", broken)
    monkeypatch.setattr(tile_size.time, "monotonic", lambda: now[0])
    full[0] = False
    harness = start(tile_px=256, concurrent_frames=1)
    full[0] = True
    assert "with tiles of 48 px" in harness.process().failure
    now[0] += 61
    used_px.clear()
    assert harness.process().failure is None and used_px == [256, 48]
    now[0] += 121
    full[0] = False
    used_px.clear()
    assert harness.process().failure is None and harness.process().failure is None
    assert used_px == [256, 256]


def test_float16_that_overflows_gives_way_to_float32(start, tmp_path, monkeypatch, caplog):
    path = tmp_path / "large.pt"
    save(LargeWhenDazzled(), manifest(), path)
    monkeypatch.setattr(model_module, "_choose_dtype", lambda *_: torch.float16)
    harness = start(path)
    assert harness.network.model.precision == torch.float16, harness.network.note
    assert harness.process().failure is None
    assert harness.network.model.precision == torch.float16
    assert harness.process(infrared=DAZZLED).failure is None
    assert harness.network.model.precision == torch.float32
    assert "continues in float32" in caplog.text


def test_no_frame_is_lost_when_two_workers_overflow_float16_at_once(start, tmp_path, monkeypatch):
    path, estimate = tmp_path / "large.pt", Denoiser.estimate
    save(LargeWhenDazzled(), manifest(), path)
    monkeypatch.setattr(model_module, "_choose_dtype", lambda *_: torch.float16)
    harness = start(path, concurrent_frames=2)
    taken, both_failed, first_is_done = queue.Queue(), threading.Barrier(2), threading.Event()

    def failing_together(self, *images):
        try:
            estimated = estimate(self, *images)
        except NetworkError:
            # One of the two sees its failure only when the other has changed to float32.
            if both_failed.wait(TIMEOUT_S):
                first_is_done.wait(TIMEOUT_S)
            raise
        first_is_done.set()
        return estimated

    def read_infrared():
        taken.put(True)
        return DAZZLED

    monkeypatch.setattr(Denoiser, "estimate", failing_together)
    for _ in range(2):
        harness.submit(infrared=read_infrared)
        taken.get(timeout=TIMEOUT_S)  # otherwise the second frame would replace the first
    assert [harness.results.get(timeout=TIMEOUT_S).failure for _ in range(2)] == [None, None]
    assert harness.network.model.precision == torch.float32


def test_nan_in_any_precision_is_not_blamed_on_float16(start, monkeypatch):
    monkeypatch.setattr(model_module, "_choose_dtype", lambda *_: torch.float16)
    harness = start()
    assert "NaN" in harness.process(infrared=DAZZLED).failure
    assert harness.network.model.precision == torch.float16


@pytest.mark.parametrize(
    ("message", "full", "lost"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 MiB", True, False),
        ("CUDA error: out of memory", True, False),
        ("HIP out of memory. Tried to allocate 2.00 MiB", True, False),
        ("HIP error: out of memory", True, False),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True, False),
        ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate`", True, False),
        ("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", True, False),
        ("GET was unable to find an engine to execute this computation", True, False),
        ("NVML_SUCCESS == r INTERNAL ASSERT FAILED at "
         '"/opt/pytorch/c10/cuda/CUDACachingAllocator.cpp":1131', True, False),
        ("CUDA error: unspecified launch failure", False, True),
        ("CUDA error: device-side assert triggered", False, True),
        ("CUDA driver error: unknown error", False, True),
        ("HIP error: an illegal memory access was encountered", False, True),
        ("CUDA error: invalid device ordinal", False, False),
        ("CUDA error: no kernel image is available for execution on the device", False, False),
        ("The size of tensor a (3) must match the size of tensor b (4)", False, False),
    ],
)  # fmt: skip
def test_errors_of_a_gpu_are_told_apart(message, full, lost):
    in_torchscript = RuntimeError(
        "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript "
        f"(most recent call last):\nRuntimeError: {message}"
    )
    for error in (RuntimeError(message), in_torchscript):
        assert is_out_of_memory(error) == full and is_device_lost(error) == lost


@pytest.mark.parametrize(
    ("message", "expected", "said"),
    [
        ("CUDA error: unspecified launch failure", DeviceLostError, "device cpu is lost"),
        ("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", DeviceMemoryError, "a smaller tile_px"),
    ],
)
@pytest.mark.parametrize("where", ["trial of the file", "warm-up"])
def test_a_gpu_that_fails_during_start_is_recognised(
    simple_model, monkeypatch, where, message, expected, said
):
    def fail(*_):
        raise RuntimeError(message)

    place = (Model, "__call__") if where == "trial of the file" else (Denoiser, "estimate")
    monkeypatch.setattr(*place, fail)
    with pytest.raises(expected, match=said):
        SharedResources().prepare(NetworkSettings(str(simple_model), "cpu"))


def test_a_gpu_that_is_lost_in_warm_up_is_fatal(start, monkeypatch):
    harness = start(warm=False)

    def fail(*_):
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(Denoiser, "estimate", fail)
    harness.pipeline.warm_up(*SIZE)
    assert harness.fatal.get(timeout=TIMEOUT_S).startswith("cpu is lost: CUDA error")


def test_a_lost_gpu_is_fatal(start, monkeypatch):
    break_device(monkeypatch, "CUDA error: unspecified launch failure")
    harness = start()
    assert harness.process(infrared=DAZZLED).failure.startswith("cpu is lost: CUDA error")
    assert harness.fatal.get(timeout=TIMEOUT_S).startswith("cpu is lost: CUDA error")
