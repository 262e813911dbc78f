"""Intrinsics and baseline of a stereo camera."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

# Baselines in m, from Intel's data sheets.
BASELINES_M = {"d415": 0.055, "d435": 0.050, "d435i": 0.050, "d455": 0.095, "d405": 0.018}


class CameraError(ValueError):
    """Impossible intrinsics, or a file without intrinsics."""


@dataclass(frozen=True)
class Camera:
    """A rectified stereo camera; intrinsics are those of the left imager, and of depth.

    Pixel centres lie at integer coordinates, as in ROS and OpenCV.

    Attributes:
        width, height: image size in pixels.
        fx, fy: focal lengths in pixels.
        cx, cy: principal point in pixels.
        baseline_m: distance between the imagers in metres.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    baseline_m: float

    def __post_init__(self) -> None:
        for name in ("width", "height", "fx", "fy", "baseline_m"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise CameraError(
                    f"camera {name} must be a positive number, got {value!r}: "
                    "check camera_info (or camera.json) of this camera"
                )
        if not (math.isfinite(self.cx) and math.isfinite(self.cy)):
            raise CameraError(f"camera cx, cy must be finite, got {self.cx!r}, {self.cy!r}")

    @property
    def disparity_scale_px_mm(self) -> float:
        """Fx * baseline: disparity in px is this divided by depth in mm."""
        return self.fx * self.baseline_m * 1000.0

    def resampled(self, scale: float, crop_left: int, crop_top: int, width: int, height: int):
        """The camera of an image scaled by `scale`, then cropped to width x height."""
        return Camera(
            width=width,
            height=height,
            fx=self.fx * scale,
            fy=self.fy * scale,
            cx=(self.cx + 0.5) * scale - 0.5 - crop_left,
            cy=(self.cy + 0.5) * scale - 0.5 - crop_top,
            baseline_m=self.baseline_m,
        )

    def points_m(self, depth_mm: np.ndarray) -> np.ndarray:
        """Converts depth to points in the optical frame (x right, y down, z forward).

        Args:
            depth_mm: [H, W], 0 = invalid.

        Returns:
            [H, W, 3] float32 in metres, NaN where depth is invalid.
        """
        z = np.where(depth_mm > 0, depth_mm, np.nan).astype(np.float32) / 1000
        x = (np.arange(self.width, dtype=np.float32) - self.cx) / self.fx
        y = (np.arange(self.height, dtype=np.float32) - self.cy) / self.fy
        return np.stack([x[None, :] * z, y[:, None] * z, z], axis=-1)

    @classmethod
    def from_json(cls, path: Path) -> Camera:
        """Reads camera.json; unknown keys are ignored.

        Raises:
            CameraError: the file is not JSON, or a field is missing or impossible.
        """
        try:
            fields = json.loads(path.read_text("utf-8-sig"))  # some editors write a BOM
            known = {name: fields[name] for name in cls.__dataclass_fields__}
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            wanted = ", ".join(cls.__dataclass_fields__)
            raise CameraError(f"{path}: expected JSON with {wanted}: {error!r}") from error
        for name, value in known.items():
            if type(value) not in (int, float):
                raise CameraError(f"{path}: {name} is {value!r}, expected a number")
        try:
            camera = cls(**known)
        except (CameraError, OverflowError) as error:
            raise CameraError(f"{path}: {error}") from None
        width, height = int(camera.width), int(camera.height)
        if (width, height) != (camera.width, camera.height):
            raise CameraError(f"{path}: width and height must be whole numbers of pixels")
        return replace(camera, width=width, height=height)

    def to_json(self, path: Path, **notes: object) -> None:
        """Writes camera.json: the intrinsics and `notes`, such as origin and emitter."""
        path.write_text(json.dumps({**asdict(self), **notes}, indent=1) + "\n")
