"""Measures how a frame's time scales with pixels, tiles, batch size and cameras."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch

from rs_denoise.benchmark.core_speed import time_in_turns
from rs_denoise.denoiser import DEFAULT_TILE_PX, Denoiser
from rs_denoise.model import Model, example_inputs
from rs_denoise.synthetic_frame import TYPICAL_CAMERA, synthetic_frame, typical_camera
from rs_denoise.tiling import Tiling, TilingError

# Profiles of RealSense cameras.
SIZES = ((424, 240), (640, 360), (640, 480), (848, 480), (1280, 720))
TILES_PX = (DEFAULT_TILE_PX, 1024, 768, 640, 512)
BATCHES = (1, 2, 4, 8)
CAMERAS = (1, 2, 3, 4)
PIXELS, TILES, BATCH = "pixels", "tiles", "batch"
CAMERAS_IN_TURN, CAMERAS_CONCURRENT = "cameras in turn", "concurrent cameras"


@dataclass(frozen=True)
class ScalingTime:
    """The time of one frame at one point of one dimension.

    Attributes:
        dimension: what grows: pixels, tiles, batch, cameras in turn, or concurrent cameras.
        case: this point, in words.
        amount: megapixels, tiles, frames in a batch, or cameras.
        ms: median time per frame.
    """

    dimension: str
    case: str
    amount: float
    ms: float


def time_scaling(model: Model, rounds: int) -> list[ScalingTime]:
    """Times all dimensions; the cases of each take turns, `rounds` times."""
    dimensions = (_time_pixels, _time_tiles, _time_batches, _time_cameras)
    return [time for time_dimension in dimensions for time in time_dimension(model, rounds)]


def _time_pixels(model: Model, rounds: int) -> list[ScalingTime]:
    candidates = [_denoise_frame(model, *size) for size in SIZES]
    return [
        ScalingTime(PIXELS, f"{width}x{height}", round(width * height / 1e6, 3), ms)
        for (width, height), ms in zip(SIZES, _medians(candidates, rounds), strict=True)
    ]


def _time_tiles(model: Model, rounds: int) -> list[ScalingTime]:
    """Times the largest frame in ever smaller tiles, without sizes below the receptive field."""
    width, height = SIZES[-1]
    margin, stride = model.manifest.receptive_field_px, model.manifest.stride_px
    counts: dict[int, int] = {}
    for tile_px in TILES_PX:
        with suppress(TilingError):
            tiling = Tiling(tile_px, margin, stride)
            tiles = tiling.tiles(tiling.padded(height), tiling.padded(width))
            counts[tile_px] = sum(1 for _ in tiles)
    candidates = [_denoise_frame(model, width, height, tile_px) for tile_px in counts]
    return [
        ScalingTime(TILES, f"{width}x{height} in tiles of {tile_px}", count, ms)
        for (tile_px, count), ms in zip(counts.items(), _medians(candidates, rounds), strict=True)
    ]


def _time_batches(model: Model, rounds: int) -> list[ScalingTime]:
    """Times the network alone."""

    def run_batch(count: int) -> Callable[[], object]:
        size = TYPICAL_CAMERA.height, TYPICAL_CAMERA.width
        inputs = [x.to(model.device) for x in example_inputs(model.manifest, count, size)]
        # sum().item() waits for a GPU, which computes asynchronously.
        return torch.inference_mode()(lambda: model(*inputs)[0].sum().item())

    times_ms = _medians([run_batch(count) for count in BATCHES], rounds)
    return [
        ScalingTime(BATCH, f"{count}", count, round(ms / count, 2))
        for count, ms in zip(BATCHES, times_ms, strict=True)
    ]


def _time_cameras(model: Model, rounds: int) -> list[ScalingTime]:
    """Times cameras that share a model in one process, in one thread and in a thread each."""
    frame = synthetic_frame(TYPICAL_CAMERA)
    denoisers = [Denoiser(model, TYPICAL_CAMERA) for _ in range(max(CAMERAS))]

    def denoise_all(map_over: Callable, count: int) -> Callable[[], object]:
        return lambda: list(map_over(lambda d: d.denoise(*frame), denoisers[:count]))

    def time_all(dimension: str, map_over: Callable) -> list[ScalingTime]:
        candidates = [denoise_all(map_over, count) for count in CAMERAS]
        return [
            ScalingTime(dimension, f"{count}", count, round(ms / count, 2))
            for count, ms in zip(CAMERAS, _medians(candidates, rounds), strict=True)
        ]

    in_turn = time_all(CAMERAS_IN_TURN, map)
    # Last, because each thread's idle PyTorch helper threads would slow down the other case.
    with ThreadPoolExecutor(max(CAMERAS)) as pool:
        return in_turn + time_all(CAMERAS_CONCURRENT, pool.map)


def _denoise_frame(
    model: Model, width: int, height: int, tile_px: int = DEFAULT_TILE_PX
) -> Callable[[], object]:
    camera = typical_camera(width, height)
    denoiser, frame = Denoiser(model, camera, tile_px=tile_px), synthetic_frame(camera)
    return lambda: denoiser.denoise(*frame)


def _medians(candidates: list[Callable[[], object]], rounds: int) -> list[float]:
    return [round(float(np.median(times)), 2) for times in time_in_turns(candidates, rounds)]
