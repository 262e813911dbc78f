"""What a frame costs with more pixels, tiles, frames at once, or cameras: how things grow."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch

from rs_denoise.benchmark.core_speed import camera_of, taking_turns
from rs_denoise.denoiser import DEFAULT_TILE_PX, Denoiser
from rs_denoise.model import Model
from rs_denoise.synthetic_frame import TYPICAL_CAMERA, synthetic_frame
from rs_denoise.tiling import Tiling, TilingError

# Profiles of RealSense cameras.
SIZES = ((424, 240), (640, 360), (640, 480), (848, 480), (1280, 720))
TILES_PX = (DEFAULT_TILE_PX, 1024, 768, 640, 512)
BATCHES = (1, 2, 4, 8)
CAMERAS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Cost:
    """The time of one frame in one case.

    Attributes:
        work: what grows: pixels, tiles, batch, cameras in turn, or cameras at once.
        case: in words.
        amount: how much of it: megapixels, tiles, frames or cameras.
        ms: median, a frame.
    """

    work: str
    case: str
    amount: float
    ms: float


def time_work(model: Model, rounds: int) -> list[Cost]:
    """Times every kind of work; the cases of one kind take turns, `rounds` times."""
    kinds = (_pixels, _tiles, _batches, _cameras)
    return [cost for kind in kinds for cost in kind(model, rounds)]


def _pixels(model: Model, rounds: int) -> list[Cost]:
    runs = [_frame(model, *size) for size in SIZES]
    return [
        Cost("pixels", f"{width}x{height}", round(width * height / 1e6, 3), ms)
        for (width, height), ms in zip(SIZES, _medians(runs, rounds), strict=True)
    ]


def _tiles(model: Model, rounds: int) -> list[Cost]:
    """Of the largest frame; a tile is computed with its margin, so that more tiles are more work.

    A model that sees too far for the smallest tiles does without those.
    """
    width, height = SIZES[-1]
    margin, stride = model.manifest.receptive_field_px, model.manifest.stride_px
    counts: dict[int, int] = {}
    for tile_px in TILES_PX:
        with suppress(TilingError):
            tiling = Tiling(tile_px, margin, stride)
            tiles = tiling.tiles(tiling.padded(height), tiling.padded(width))
            counts[tile_px] = sum(1 for _ in tiles)
    runs = [_frame(model, width, height, tile_px) for tile_px in counts]
    return [
        Cost("tiles", f"{width}x{height} in tiles of {tile_px}", count, ms)
        for (tile_px, count), ms in zip(counts.items(), _medians(runs, rounds), strict=True)
    ]


def _batches(model: Model, rounds: int) -> list[Cost]:
    """Of the network alone; a frame's share."""

    def run(count: int) -> Callable[[], object]:
        shape = (count, 1, TYPICAL_CAMERA.height, TYPICAL_CAMERA.width)
        inputs = [torch.full(shape, value, device=model.device) for value in (20.0, 40.0)]
        # A GPU goes on by itself until a number is asked for.
        return torch.inference_mode()(lambda: model(*inputs)[0].sum().item())

    times = _medians([run(count) for count in BATCHES], rounds)
    return [
        Cost("batch", f"{count}", count, round(ms / count, 2))
        for count, ms in zip(BATCHES, times, strict=True)
    ]


def _cameras(model: Model, rounds: int) -> list[Cost]:
    """Of one process in which all cameras share the model, one after the other or in threads."""
    frame = synthetic_frame(TYPICAL_CAMERA)
    denoisers = [Denoiser(model, TYPICAL_CAMERA) for _ in range(max(CAMERAS))]

    def run(over: Callable, count: int) -> Callable[[], object]:
        return lambda: list(over(lambda d: d.denoise(*frame), denoisers[:count]))

    def cost(way: str, over: Callable) -> list[Cost]:
        runs = [run(over, count) for count in CAMERAS]
        return [
            Cost(f"cameras {way}", f"{count}", count, round(ms / count, 2))
            for count, ms in zip(CAMERAS, _medians(runs, rounds), strict=True)
        ]

    in_turn = cost("in turn", map)
    # Afterwards: PyTorch's helpers of each thread would be in the way of one that goes alone.
    with ThreadPoolExecutor(max(CAMERAS)) as pool:
        return in_turn + cost("at once", pool.map)


def _frame(
    model: Model, width: int, height: int, tile_px: int = DEFAULT_TILE_PX
) -> Callable[[], object]:
    camera = camera_of(width, height)
    denoiser, frame = Denoiser(model, camera, tile_px=tile_px), synthetic_frame(camera)
    return lambda: denoiser.denoise(*frame)


def _medians(runs: list[Callable[[], object]], rounds: int) -> list[float]:
    return [round(float(np.median(times)), 2) for times in taking_turns(runs, rounds)]
