"""Times the node between a camera and a consumer, over DDS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from rs_denoise.benchmark.ros.playback import run_playback

# The node passes the camera's depth through: the cost of ROS and Python.
NO_NETWORK = "(no network)"


@dataclass(frozen=True)
class NodeSpeed:
    """The node's speed at one rate of the camera; medians over the runs.

    Attributes:
        model, device: what ran, or NO_NETWORK.
        rate_hz: of the camera.
        received_pct: frames that reached the consumer, in percent of those sent.
        p50_ms, p99_ms: from the stamp of a frame until it arrived at the consumer; NaN if none did.
        cpu_pct: CPU time of the node, in percent of one core.
        stages_ms: time of the stages within the node: wait, denoise, publish.
    """

    model: str
    device: str
    rate_hz: float
    received_pct: float
    p50_ms: float
    p99_ms: float
    cpu_pct: float
    stages_ms: dict[str, float]


def time_node(
    recording: Path, model: Path | str | None, device: str, rate_hz: float, seconds: float,
    runs: int,
) -> NodeSpeed:  # fmt: skip
    """Plays a recording into the node `runs` times.

    Args:
        recording: with depth and infrared.
        model, device: parameters of the node; model None: without a network.
        rate_hz, seconds: rate of the camera and duration of each run.

    Raises:
        PlaybackError: a process ended early.
    """
    sent = round(rate_hz * seconds)
    parameters: dict[str, object] = {"device": device} | ({"model_path": model} if model else {})
    measured = []
    stages: list[dict[str, float]] = []
    for _ in range(runs):
        run = run_playback(recording, sent, rate_hz, parameters, enabled=model is not None)
        latencies = [1e3 * r.latency_s for r in run.received] or [np.nan]
        p50, p99 = np.percentile(latencies, [50, 99])
        measured.append((100 * len(run.received) / sent, p50, p99, run.cpu_pct))
        stages.append(run.stages_ms)
    received_pct, p50_ms, p99_ms, cpu_pct = (
        round(float(value), 1) for value in np.median(measured, axis=0)
    )
    return NodeSpeed(
        model=Path(model).stem if model else NO_NETWORK, device=device, rate_hz=rate_hz,
        received_pct=received_pct, p50_ms=p50_ms, p99_ms=p99_ms, cpu_pct=cpu_pct,
        stages_ms={
            name: round(median(run[name] for run in stages if name in run), 1)
            for name in ("wait", "denoise", "publish")
            if any(name in run for run in stages)
        },
    )  # fmt: skip
