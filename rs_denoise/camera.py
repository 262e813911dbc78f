"""Intrinsics and baseline of a stereo camera."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import asdict, dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from rs_denoise.camera_info import MAX_BASELINE_M, baseline_from_info, intrinsics_from_info
from rs_denoise.camera_models import CAMERA_MODELS, DEFAULT_BASELINE_M, PROFILES


class CameraError(ValueError):
    """Invalid intrinsics, or a file without intrinsics."""


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
        for name, value in vars(self).items():
            if not isinstance(value, Real):
                raise CameraError(f"camera {name} must be a number, got {value!r}")
        for name in ("width", "height", "fx", "fy", "baseline_m"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise CameraError(
                    f"camera {name} must be a positive number, got {value!r}: "
                    "check camera_info (or camera.json) of this camera"
                )
        if self.baseline_m > MAX_BASELINE_M:
            raise CameraError(
                f"camera baseline_m must be at most {MAX_BASELINE_M:g} m, got "
                f"{self.baseline_m!r}: is it in millimetres?"
            )
        if (self.width, self.height) != (int(self.width), int(self.height)):
            raise CameraError(
                "camera width and height must be whole numbers of pixels, got "
                f"{self.width!r}, {self.height!r}"
            )
        if not (math.isfinite(self.cx) and math.isfinite(self.cy)):
            raise CameraError(f"camera cx, cy must be finite, got {self.cx!r}, {self.cy!r}")

    @property
    def disparity_scale_px_mm(self) -> float:
        """Fx * baseline: disparity in px is this divided by depth in mm."""
        return self.fx * self.baseline_m * 1000.0

    def cropped(self, left: int, top: int, width: int, height: int) -> Camera:
        """The camera of a part of the image."""
        return replace(self, width=width, height=height, cx=self.cx - left, cy=self.cy - top)

    def scaled(self, width: int, height: int) -> Camera:
        """The camera of the image scaled to this size; the centre of its corner pixel is (0, 0)."""
        x, y = width / self.width, height / self.height
        return Camera(
            width=width,
            height=height,
            fx=self.fx * x,
            fy=self.fy * y,
            cx=(self.cx + 0.5) * x - 0.5,
            cy=(self.cy + 0.5) * y - 0.5,
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
        x, y = self.ray_slopes()
        return np.stack([x * z, y[:, None] * z, z], axis=-1)

    def ray_slopes(self) -> tuple[np.ndarray, np.ndarray]:
        """Slopes x / z of each column and y / z of each row of the image, [W] and [H] float32."""
        x = (np.arange(self.width, dtype=np.float32) - self.cx) / self.fx
        y = (np.arange(self.height, dtype=np.float32) - self.cy) / self.fy
        return x.astype(np.float32), y.astype(np.float32)

    @classmethod
    def d405(cls, width: int = 848, height: int = 480) -> Camera:
        """A D405; arguments and errors are those of `of_model`."""
        return cls.of_model("d405", width, height)

    @classmethod
    def d415(cls, width: int = 848, height: int = 480) -> Camera:
        """A D415; arguments and errors are those of `of_model`."""
        return cls.of_model("d415", width, height)

    @classmethod
    def d435(cls, width: int = 848, height: int = 480) -> Camera:
        """A D435 or D435i; arguments and errors are those of `of_model`."""
        return cls.of_model("d435", width, height)

    @classmethod
    def d455(cls, width: int = 848, height: int = 480) -> Camera:
        """A D455; arguments and errors are those of `of_model`."""
        return cls.of_model("d455", width, height)

    @classmethod
    def of_model(cls, name: str, width: int = 848, height: int = 480) -> Camera:
        """A typical camera of a RealSense model, for depth without a calibration.

        Args:
            name: "d405", "d415", "d435", "d435i" or "d455".
            width, height: a profile of these cameras, in pixels.

        Raises:
            CameraError: there is no such model or profile.
        """
        if name not in CAMERA_MODELS:
            raise CameraError(f"expected one of {', '.join(CAMERA_MODELS)}, got '{name}'")
        model = CAMERA_MODELS[name]
        focal_length_px = model.focal_length_at(width, height)
        if focal_length_px is None:
            sizes = ", ".join(f"{w}x{h}" for w, h in PROFILES)
            raise CameraError(
                f"a {name.upper()} streams {sizes}, got {width}x{height}: for resized or cropped "
                "images give the intrinsics, Camera(width, height, fx, fy, cx, cy, baseline_m), or "
                "their camera.json"
            )
        return cls.centred(width, height, focal_length_px, model.baseline_m)

    @classmethod
    def centred(cls, width: int, height: int, focal_length_px: float, baseline_m: float) -> Camera:
        """A camera with square pixels whose principal point is the centre of the image."""
        centre = (width - 1) / 2, (height - 1) / 2
        return cls(width, height, focal_length_px, focal_length_px, *centre, baseline_m)

    @classmethod
    def from_camera_info(cls, info: Any, baseline_m: float | None = None) -> Camera:
        """The camera of a sensor_msgs/CameraInfo of depth or infrared.

        Args:
            info: rclpy's message, one of `rosbags`, or ROS 1's, whose matrices have capital names.
            baseline_m: None: from P[3], which only the right imager's camera_info fills in; without
                it, a D435's 0.05 is assumed, with a warning. Depth stays metric with a wrong
                baseline, see `rs_denoise.denoiser.Denoiser`.

        Raises:
            CameraError: a value is invalid.
        """
        if baseline_m is None:
            baseline_m = baseline_from_info(info)
        if baseline_m is None:
            baseline_m = DEFAULT_BASELINE_M
            warnings.warn(
                f"this camera_info does not contain the baseline: {baseline_m} m is assumed, a "
                "D435's; give baseline_m for another camera",
                stacklevel=2,
            )
        return cls(info.width, info.height, *intrinsics_from_info(info), baseline_m)

    @classmethod
    def from_file(cls, path: Path | str) -> Camera:
        """Reads a camera.json, as written by `to_file`; unknown keys are ignored.

        Raises:
            CameraError: the file is not JSON, or a field is missing or invalid.
        """
        path = Path(path)
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
        return replace(camera, width=int(camera.width), height=int(camera.height))

    def to_file(self, path: Path, **notes: object) -> None:
        """Writes camera.json: the intrinsics and `notes`, such as origin and emitter."""
        # json cannot write NumPy scalars, such as elements of a camera matrix.
        text = json.dumps({**asdict(self), **notes}, indent=1, default=lambda number: number.item())
        path.write_text(text + "\n")
