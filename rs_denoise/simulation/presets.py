"""The cameras that can be simulated: geometry of Intel's data sheets at 848x480."""

from __future__ import annotations

from dataclasses import dataclass

from rs_denoise.camera import Camera


@dataclass(frozen=True)
class Preset:
    """A camera with its dot projector.

    Attributes:
        camera: intrinsics and baseline.
        projector_x_m: the projector's place on the baseline, right of the left imager.
        projector_fov_deg: horizontal opening of the pattern.
    """

    camera: Camera
    projector_x_m: float
    projector_fov_deg: float


def _at_848x480(fx: float, baseline_m: float) -> Camera:
    return Camera(848, 480, fx, fx, 423.5, 239.5, baseline_m)


PRESETS = {
    "d415": Preset(_at_848x480(600.0, 0.055), 0.030, 78.0),
    "d435": Preset(_at_848x480(425.0, 0.050), 0.021, 100.0),
    "d455": Preset(_at_848x480(428.0, 0.095), 0.056, 100.0),
}
