"""A camera that moves smoothly through a simulated room, as a recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rs_denoise.recordings.rosbag2 import Moment
from rs_denoise.simulation.furniture import Furniture
from rs_denoise.simulation.matcher import random_matcher
from rs_denoise.simulation.presets import PRESETS
from rs_denoise.simulation.render import Stage
from rs_denoise.simulation.scene import camera_pose, random_scene
from rs_denoise.simulation.sensor import random_sensor
from rs_denoise.simulation.simulate import SAMPLES, look

RATE_HZ = 30
# A steady camera: little noise, so that its infrared compresses.
FULL_WELL = 200_000.0
READ_NOISE = 2.0


def simulate_sequence(
    camera_name: str, seed: int, frames: int, ground_truth_every: int, furniture: Furniture
) -> Iterator[Moment]:
    """One camera, one room, one loop: it ends where it began, so that it can be played around.

    Args:
        camera_name: a key of PRESETS.
        ground_truth_every: only each n-th frame keeps its ground truth.
    """
    preset = PRESETS[camera_name]
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, preset.camera, furniture)
    scene = replace(scene, projector=max(scene.projector, 1.0))
    stage = Stage(scene, preset, rng, SAMPLES)
    sensor = replace(random_sensor(rng), median_grey=40.0, full_well=FULL_WELL,
                     read_noise=READ_NOISE)  # fmt: skip
    matcher = random_matcher(rng)
    for k in range(frames):
        pose = _on_the_loop(scene.pose, 2 * np.pi * k / frames)
        frame = look(stage.render(pose, seed + 100 * k), preset, sensor, matcher, rng)
        if k % ground_truth_every:
            frame = replace(frame, ground_truth_mm=None)
        yield Moment(1_000_000_000 + k * 1_000_000_000 // RATE_HZ, frame)


def _on_the_loop(start: np.ndarray, phase: float) -> np.ndarray:
    """A sway of some 10 cm and 3 degrees around `start` ([4, 4] world from camera)."""
    sway = camera_pose(np.zeros(3), 0.05 * np.sin(phase), 0.02 * np.sin(2 * phase), 0.0)
    level = camera_pose(np.zeros(3), 0.0, 0.0, 0.0)
    pose = start.copy()
    pose[:3, :3] = start[:3, :3] @ (level.T @ sway)[:3, :3]
    pose[:3, 3] += start[:3, :3] @ [0.08 * np.sin(phase), 0.0, 0.10 * (1 - np.cos(phase))]
    return pose
