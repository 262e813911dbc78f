"""The camera that is assumed for images stored without one."""

from __future__ import annotations

from rs_denoise.camera import Camera
from rs_denoise.camera_models import CAMERA_MODELS, REFERENCE_PROFILE


def assume_d435(width: int, height: int) -> Camera:
    """A D435 whose images have this size; if it has no such profile, they were resized to it."""
    d435 = CAMERA_MODELS["d435"]
    resized_px = d435.focal_length_px * width / REFERENCE_PROFILE[0]
    focal_length_px = d435.focal_length_at(width, height) or resized_px
    return Camera.centred(width, height, focal_length_px, d435.baseline_m)
