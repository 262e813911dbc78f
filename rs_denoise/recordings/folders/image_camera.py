"""The camera of images that are stored without one: the user's, else a D435 is assumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rs_denoise.camera import Camera, CameraError
from rs_denoise.camera_models import CAMERA_MODELS, REFERENCE_PROFILE
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.overrides import Overrides


def assume_d435(width: int, height: int) -> Camera:
    """A D435 whose images have this size; if it has no such profile, they were resized to it."""
    d435 = CAMERA_MODELS["d435"]
    resized_px = d435.focal_length_px * width / REFERENCE_PROFILE[0]
    focal_length_px = d435.focal_length_at(width, height) or resized_px
    return Camera.centred(width, height, focal_length_px, d435.baseline_m)


def camera_of_size(name: str, width: int, height: int) -> Camera:
    """The camera that the user selected, for images of a size.

    Args:
        name: of a RealSense model, or the path of a camera.json.
        width, height: of the images, px.

    Raises:
        CameraError: the file cannot be read, or the camera has images of another size.
    """
    if name in CAMERA_MODELS:
        return Camera.of_model(name, width, height)
    camera = Camera.from_file(Path(name))
    if (camera.width, camera.height) != (width, height):
        raise CameraError(
            f"{name}: this camera has images of {camera.width}x{camera.height}, and the "
            f"recording's are {width}x{height}"
        )
    return camera


def baseline_of_camera(name: str) -> float:
    """The baseline of the camera that the user selected, in metres.

    Args:
        name: as of `camera_of_size`.

    Raises:
        CameraError: the file cannot be read.
    """
    if name in CAMERA_MODELS:
        return CAMERA_MODELS[name].baseline_m
    return Camera.from_file(Path(name)).baseline_m


@dataclass(frozen=True)
class CameraFiller:
    """Fills in the missing parts of a frame's camera.

    Attributes:
        read: reads the frame, with a camera that is assumed in part.
        overrides: `baseline_m` and, if `intrinsics` are missing, `camera` are used.
        intrinsics: whether the intrinsics are missing too, not only the baseline.
    """

    read: Callable[[], Frame]
    overrides: Overrides
    intrinsics: bool

    def __call__(self) -> Frame:
        """Reads the frame.

        Raises:
            RecordingError, CameraError, OSError: as `read` and `camera_of_size` do.
        """
        frame = self.read()
        camera = frame.camera
        if self.intrinsics and self.overrides.camera is not None:
            height, width = frame.depth_mm.shape
            camera = camera_of_size(self.overrides.camera, width, height)
        if self.overrides.baseline_m is not None:
            camera = replace(camera, baseline_m=self.overrides.baseline_m)
        return replace(frame, camera=camera)
