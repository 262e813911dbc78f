"""A synthetic frame, always the same: for warming up, checking precision and measuring speed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.depth import to_disparity_px

# A D435 at its usual profile.
TYPICAL_CAMERA = Camera.d435(848, 480)


def typical_camera(width: int, height: int) -> Camera:
    """A camera with images of this size, in px, and the principal point in the middle."""
    cx, cy = max(width - 1, 1) / 2, max(height - 1, 1) / 2
    return replace(TYPICAL_CAMERA, width=width, height=height, cx=cx, cy=cy)


def synthetic_frame(camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws a corridor from 0.6 to 8 m: walls, floor and ceiling, with noise, holes and texture.

    Returns:
        Depth [H, W] uint16 in mm, 0 = invalid, and infrared [H, W] uint8 grey levels of the left
        and of the right imager, which match at that depth.
    """
    y, x = np.mgrid[: camera.height, : camera.width]
    aside = np.maximum(np.abs(x - camera.cx) / camera.cx, np.abs(y - camera.cy) / camera.cy)
    depth = 600.0 / np.maximum(aside, 0.075)
    # Stereo matching errors are smooth, 0.1 px over a dozen pixels, and not white noise.
    waves = np.sin(x / 2.9 + np.sin(y / 17)) * np.sin(y / 2.3 + np.sin(x / 13))
    depth += 0.15 * waves * depth**2 / camera.disparity_scale_px_mm
    depth[np.sin(x / 23.0) * np.sin(y / 19.0) > 0.97] = 0
    rng = np.random.default_rng(0)
    infrared = rng.integers(20, 80, depth.shape, np.uint8)
    depth_mm = depth.astype(np.uint16)
    # Areas that only the right imager sees have their own texture.
    infrared_right = rng.integers(20, 80, depth.shape, np.uint8)
    _shift_to_right_imager(infrared, to_disparity_px(depth_mm, camera.disparity_scale_px_mm),
                           infrared_right)  # fmt: skip
    return depth_mm, infrared, infrared_right


def _shift_to_right_imager(image: np.ndarray, disparity_px: np.ndarray, out: np.ndarray) -> None:
    """Draws pixels of known disparity where the right imager sees them; near ones hide far ones."""
    y, x = np.nonzero(disparity_px)
    target = x - np.rint(disparity_px[y, x]).astype(int)
    nearest_last = np.argsort(disparity_px[y, x], kind="stable")
    seen = nearest_last[target[nearest_last] >= 0]
    out[y[seen], target[seen]] = image[y[seen], x[seen]]
