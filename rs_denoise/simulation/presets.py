"""The cameras that can be simulated, with their projectors and stream sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rs_denoise.camera import Camera
from rs_denoise.camera_models import PROFILES

# The D4 ASIC searches 126 disparities: nearer surfaces find no match.
MAX_DISPARITY_PX = 126
NATIVE_SIZE = (1280, 720)


@dataclass(frozen=True)
class Preset:
    """A camera with its dot projector.

    Attributes:
        camera: intrinsics and baseline.
        projector_x_m: the projector's position on the baseline, to the right of the left imager.
        projector_fov_deg: horizontal opening of the pattern; 0: the camera has no projector.
        closest_m: minimum distance of objects; surfaces nearer than `near_limit_m` have no match.
        places: where it is used.
    """

    camera: Camera
    projector_x_m: float
    projector_fov_deg: float
    closest_m: float
    places: tuple[str, ...] = ("room", "corridor", "warehouse", "desk", "outdoors")

    @property
    def near_limit_m(self) -> float:
        """Depth at the largest disparity."""
        return self.camera.disparity_scale_px_mm / MAX_DISPARITY_PX / 1000.0

    def streaming(self, width: int, height: int) -> Preset:
        """The same camera at another of PROFILES.

        Raises:
            ValueError: no such profile.
        """
        if (width, height) not in PROFILES:
            sizes = ", ".join(f"{w}x{h}" for w, h in PROFILES)
            raise ValueError(f"these cameras stream {sizes}, got {width}x{height}")
        scale = PROFILES[width, height] / PROFILES[self.camera.width, self.camera.height]
        camera = Camera.centred(width, height, self.camera.fx * scale, self.camera.baseline_m)
        return replace(self, camera=camera)


PRESETS = {
    "d415": Preset(Camera.d415(), 0.030, 78.0, 0.75),
    "d435": Preset(Camera.d435(), 0.021, 100.0, 0.45),
    "d455": Preset(Camera.d455(), 0.056, 100.0, 0.6),
    # No projector: it relies on ambient light and texture. 3 m is 2.5 px, so it is for desks.
    "d405": Preset(Camera.d405(), 0.0, 0.0, 0.1, ("desk",)),
}
# Weights: how common they are on robots.
MIX = ("d415", "d415", "d435", "d435", "d455", "d455", "d405")
