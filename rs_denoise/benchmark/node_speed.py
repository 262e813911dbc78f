"""How fast the whole node is, between a camera and a consumer of its own over DDS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from rs_denoise.benchmark.ros.rehearsal import rehearse

# What a frame costs in ROS and Python alone.
NO_NETWORK = "(no network)"


@dataclass(frozen=True)
class NodeSpeed:
    """The node at one rate of the camera: medians over the runs.

    Attributes:
        model, device: what ran; NO_NETWORK: the camera's depth passed through.
        rate_hz: of the camera.
        received_pct: frames that reached the consumer, of those sent.
        p50_ms, p99_ms: from the stamp of a frame to its arrival at the consumer.
        cpu_pct: of the node, in percent of one core.
        stages_ms: where the time goes within the node: wait, denoise, publish.
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
        model, device: parameters of the node; no model: without its network.
        rate_hz, seconds: of the camera, in each run.

    Raises:
        RehearsalError: a process ended early.
    """
    sent = round(rate_hz * seconds)
    parameters: dict[str, object] = {"device": device} | ({"model_path": model} if model else {})
    figures = []
    stages: list[dict[str, float]] = []
    for _ in range(runs):
        run = rehearse(recording, sent, rate_hz, parameters, enabled=model is not None)
        latencies = [1e3 * r.latency_s for r in run.received] or [np.nan]
        p50, p99 = np.percentile(latencies, [50, 99])
        figures.append((100 * len(run.received) / sent, p50, p99, run.cpu_pct))
        stages.append(run.stages_ms)
    received_pct, p50_ms, p99_ms, cpu_pct = (
        round(float(value), 1) for value in np.median(figures, axis=0)
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
