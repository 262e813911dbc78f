"""The pattern that the infrared projector throws."""

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
    pattern = np.zeros((height, width), np.float32)
    rows = int(np.sqrt(dots * height / width))
    grid = np.stack(np.meshgrid(np.arange(rows * width // height), np.arange(rows)), axis=-1)
    # A jittered grid: real patterns are irregular, but leave no large gap between dots.
    centres = (grid.reshape(-1, 2) + rng.uniform(0.15, 0.85, (grid.size // 2, 2))) * height / rows
    x, y = np.clip(centres, 0, [width - 1, height - 1]).astype(int).T
    pattern[y, x] = rng.uniform(0.6, 1.0, len(x))
    blurred = cv2.GaussianBlur(pattern, (0, 0), sigma)
    return 0.05 + blurred / blurred.max()
