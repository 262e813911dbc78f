"""Times the core, NumPy in and NumPy out, in turns with librealsense's filters."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rs_denoise.denoiser import Denoiser
from rs_denoise.evaluation.baselines import LibrealsenseStream
from rs_denoise.librealsense import LibrealsenseMissing
from rs_denoise.model import Model
from rs_denoise.synthetic_frame import synthetic_frame, typical_camera

# Warm-up rounds, at most as many as are timed.
MAX_WARM_UP_ROUNDS = 5


@dataclass(frozen=True)
class CoreSpeed:
    """The core's time for frames of one size.

    Attributes:
        model, device, precision: what ran.
        width, height: of the frames.
        p50_ms, p99_ms: median and 99th percentile over all rounds.
        vs_librealsense: median time of librealsense's spatial and temporal filters in disparity,
            divided by ours; None without pyrealsense2.
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
    """Times `frames` frames of a D435, each followed by librealsense's filters."""
    camera = typical_camera(width, height)
    frame = synthetic_frame(camera)
    denoiser = Denoiser(model, camera)
    candidates: list[Callable[[], object]] = [lambda: denoiser.denoise(*frame)]
    with contextlib.suppress(LibrealsenseMissing):
        candidates.append(LibrealsenseStream(camera, frame[0]).process)
    times_ms = time_in_turns(candidates, frames)
    p50, p99 = np.percentile(times_ms[0], [50, 99])
    ratio = float(np.median(times_ms[1]) / p50) if len(times_ms) > 1 else None
    return CoreSpeed(
        model=model.manifest.name,
        device=model.device_name,
        precision=model.precision_name,
        width=width,
        height=height,
        p50_ms=round(float(p50), 2),
        p99_ms=round(float(p99), 2),
        vs_librealsense=None if ratio is None else round(ratio, 2),
    )


def time_in_turns(candidates: list[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Calls the candidates in turns, because the speed of a machine varies.

    Returns:
        For each candidate its times in ms, one per round.
    """
    times_ms: list[list[float]] = [[] for _ in candidates]
    warm_up_rounds = min(MAX_WARM_UP_ROUNDS, rounds)
    for number in range(warm_up_rounds + rounds):
        for candidate, times in zip(candidates, times_ms, strict=True):
            start = time.perf_counter()
            candidate()
            if number >= warm_up_rounds:
                times.append(1e3 * (time.perf_counter() - start))
    return times_ms
