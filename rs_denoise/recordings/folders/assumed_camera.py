"""The camera that is assumed for images stored without one."""

from __future__ import annotations

from rs_denoise.camera import Camera

# fx / width and baseline of a D435.
FOCAL_LENGTH, BASELINE_M = 0.501, 0.05


def assume_d435(width: int, height: int) -> Camera:
    """A D435 with images of this size."""
    fx = FOCAL_LENGTH * width
    return Camera(width, height, fx, fx, (width - 1) / 2, (height - 1) / 2, BASELINE_M)
