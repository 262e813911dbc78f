"""The pattern of the infrared projector."""

from __future__ import annotations

import cv2
import numpy as np

PATTERN_PX = (1600, 1000)


def dot_pattern(rng: np.random.Generator, dots: int, sigma: float) -> np.ndarray:
    """Draws a random dot pattern, [1000, 1600] float32, with a maximum near 1.

    Args:
        rng: places the dots and sets their brightness.
        dots: about how many dots the pattern has.
        sigma: size of a dot in pattern pixels.
    """
    width, height = PATTERN_PX
    draw = _lattices if rng.random() < 0.5 else _jittered_grid
    x, y = draw(rng, dots).T
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    pattern = np.zeros((height, width), np.float32)
    strength = rng.uniform(0.6, 1.0, len(x))
    pattern[y[inside].astype(int), x[inside].astype(int)] = strength[inside]
    blurred = cv2.GaussianBlur(pattern, (0, 0), sigma)
    return 0.05 + blurred / blurred.max()


def _jittered_grid(rng: np.random.Generator, dots: int) -> np.ndarray:
    """[N, 2] pattern pixels: irregular, but without large gaps, as a D435's."""
    width, height = PATTERN_PX
    rows = int(np.sqrt(dots * height / width))
    grid = np.stack(np.meshgrid(np.arange(rows * width // height), np.arange(rows)), axis=-1)
    return (grid.reshape(-1, 2) + rng.uniform(0.15, 0.85, (grid.size // 2, 2))) * height / rows


def _lattices(rng: np.random.Generator, dots: int) -> np.ndarray:
    """[N, 2] pattern pixels: two square lattices, turned against each other, as a D415's."""
    width, height = PATTERN_PX
    pitch = np.sqrt(2 * width * height / dots)
    reach = int(np.hypot(width, height) / pitch / 2) + 1
    lattice = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T * pitch
    first, between = rng.uniform(0, np.pi / 2), np.radians(rng.uniform(8, 25))
    centres = []
    for angle in (first, first + between):
        c, s = np.cos(angle), np.sin(angle)
        centres.append(lattice @ [[c, -s], [s, c]] + rng.uniform(0, pitch, 2))
    jitter = rng.normal(0, 0.03 * pitch, (2 * len(lattice), 2))
    return np.concatenate(centres) + jitter + [width / 2, height / 2]
