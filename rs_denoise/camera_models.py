"""The cameras of the RealSense D400 series: geometry from Intel's data sheets, and profiles."""

from __future__ import annotations

from dataclasses import dataclass

# Width and height of a stream, and its scale relative to the imager's native size.
PROFILES = {
    (1280, 720): 1.0,
    (848, 480): 2 / 3,
    (640, 480): 0.6,
    (640, 360): 0.5,
    (480, 270): 0.375,
    (424, 240): 1 / 3,
}
REFERENCE_PROFILE = (848, 480)


@dataclass(frozen=True)
class CameraModel:
    """The nominal geometry of a camera model; each camera's own calibration is close to it.

    Attributes:
        focal_length_px: at REFERENCE_PROFILE.
        baseline_m: distance between the imagers.
    """

    focal_length_px: float
    baseline_m: float

    def focal_length_at(self, width: int, height: int) -> float | None:
        """The focal length in pixels at a profile; None if the camera has no such profile."""
        scale = PROFILES.get((width, height))
        return scale and self.focal_length_px * (scale / PROFILES[REFERENCE_PROFILE])


CAMERA_MODELS = {
    "d405": CameraModel(430.0, 0.018),
    "d415": CameraModel(600.0, 0.055),
    "d435": CameraModel(425.0, 0.050),
    "d435i": CameraModel(425.0, 0.050),
    "d455": CameraModel(428.0, 0.095),
}
BASELINES_M = {name: model.baseline_m for name, model in CAMERA_MODELS.items()}
# Used if the baseline is unknown. A wrong baseline hardly changes the scale of depth.
DEFAULT_BASELINE_M = BASELINES_M["d435"]
