"""The camera that is assumed for images stored without one."""

from __future__ import annotations

from rs_denoise.camera import BASELINES_M, Camera

# Of a D435, in image widths.
FOCAL_LENGTH = 0.501


def assume_d435(width: int, height: int) -> Camera:
    """A D435 with images of this size."""
    fx = FOCAL_LENGTH * width
    return Camera(width, height, fx, fx, (width - 1) / 2, (height - 1) / 2, BASELINES_M["d435"])
