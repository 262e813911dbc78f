"""Camera trajectories: smooth or static."""

from __future__ import annotations

import cv2
import numpy as np

RATE_HZ = 30
STILL_FRACTION = 0.5


def random_trajectory(rng: np.random.Generator, start: np.ndarray, frames: int) -> list[np.ndarray]:
    """Poses at 30 Hz ([4, 4] world from camera) on a closed loop from `start`.

    It ends where it started, so that it can be played in a loop. Half of the trajectories are
    static; the others reach 0.05 to 1 m/s and 2 to 60 degrees/s.
    """
    duration = frames / RATE_HZ
    speed = 0.0 if rng.random() < STILL_FRACTION else float(np.exp(rng.uniform(np.log(0.05), 0.0)))
    reach = speed * duration / (2 * np.pi)
    heading = rng.normal(size=(2, 3)) * [1.0, 0.4, 1.0]
    heading *= reach / np.linalg.norm(heading, axis=1, keepdims=True)
    axis = rng.normal(size=3) * [0.4, 1.0, 0.2]
    axis *= rng.uniform(0.7, 1.0) * reach / np.linalg.norm(axis)
    poses = []
    for phase in 2 * np.pi * np.arange(frames) / frames:
        pose = start.copy()
        pose[:3, :3] = start[:3, :3] @ _rotation(axis * np.sin(phase))
        # First backwards and then forwards again, so that the camera runs through no object.
        step = heading[0] * np.sin(phase) - np.abs(heading[1]) * (1 - np.cos(phase))
        pose[:3, 3] += start[:3, :3] @ step
        poses.append(pose)
    return poses


def _rotation(axis: np.ndarray) -> np.ndarray:
    """Rodrigues: [3, 3] from axis times angle."""
    return cv2.Rodrigues(np.asarray(axis, np.float64))[0]
