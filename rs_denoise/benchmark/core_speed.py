"""How long a frame takes, from numpy to numpy, beside librealsense's chain in the same run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.denoiser import Denoiser
from rs_denoise.evaluation.baselines import LibrealsenseStream
from rs_denoise.librealsense import LibrealsenseMissing
from rs_denoise.model import Model
from rs_denoise.synthetic_frame import synthetic_frame

WARM_UP = 5


@dataclass(frozen=True)
class CoreSpeed:
    """The core's time on frames of one size.

    Attributes:
        model, device, precision: what ran.
        width, height: of the frames.
        p50_ms, p99_ms: median and 99th percentile of all rounds.
        vs_librealsense: median time of librealsense's spatial and temporal filters in disparity
            over ours; None without pyrealsense2.
    """

    model: str
    device: str
    precision: str
    width: int
    height: int
    p50_ms: float
    p99_ms: float
    vs_librealsense: float | None


def time_core(model: Model, width: int, height: int, frames: int) -> CoreSpeed:
    """Times `frames` frames of a D435-like camera, librealsense's turns between ours.

    Machines are noisy: what is compared takes turns, frame by frame.
    """
    camera = camera_of(width, height)
    depth, infrared = synthetic_frame(camera)
    denoiser = Denoiser(model, camera)
    runs: list[Callable[[], object]] = [lambda: denoiser.denoise(depth, infrared)]
    with contextlib.suppress(LibrealsenseMissing):
        runs.append(LibrealsenseStream(camera, depth).process)
    times = taking_turns(runs, frames)
    p50, p99 = np.percentile(times[0], [50, 99])
    return CoreSpeed(
        model=model.manifest.name,
        device=str(model.device),
        precision=str(model.precision).removeprefix("torch."),
        width=width,
        height=height,
        p50_ms=round(float(p50), 2),
        p99_ms=round(float(p99), 2),
        vs_librealsense=round(float(np.median(times[1]) / p50), 2) if len(times) > 1 else None,
    )


def camera_of(width: int, height: int) -> Camera:
    """A D435-like camera of this size."""
    return Camera(
        width, height, 0.5 * width, 0.5 * width, 0.5 * width, 0.5 * height, baseline_m=0.05
    )


def taking_turns(runs: list[Callable[[], object]], frames: int) -> list[list[float]]:
    """Times in ms of each of `runs`, without those of the warm-up; machines are noisy."""
    times: list[list[float]] = [[] for _ in runs]
    for number in range(WARM_UP + frames):
        for run, taken in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            if number >= WARM_UP:
                taken.append(1e3 * (time.perf_counter() - start))
    return times
