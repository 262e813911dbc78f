"""The camera's pose above the floor: given by the user, or fitted to the floor in view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rs_denoise.camera import Camera

# RANSAC draws planes through three of the sampled points. If a quarter of the points are floor, all
# 500 draws miss it in one of 2,500 images.
SAMPLE, GUESSES = 4000, 500
# Points nearer to a plane than this belong to it: three sigma of a D435 at 4 m.
FLOOR_M = 0.03
MIN_FLOOR_FRACTION, MIN_FLOOR_POINTS = 0.25, 200
# At least this fraction of a floor's points lies within half that distance. Real floors have 80 to
# 95 %, a slice through bushes 50 %.
MIN_FLAT_FRACTION = 0.67
# At most this fraction of all points may lie clearly below a floor; otherwise it is a table.
MAX_BELOW_FRACTION, BELOW_M = 0.1, 0.1
MAX_TILT_RAD = math.radians(45)
HEIGHTS_M = (0.05, 3.0)
REFINEMENTS = 3


class PoseError(ValueError):
    """The camera's pose above the floor cannot be found; the message says why."""


@dataclass(frozen=True)
class CameraPose:
    """The camera's pose above a level floor.

    The floor's frame is ROS's (REP 103): x forward, y left, z up, its origin on the floor below the
    camera.

    Attributes:
        height_m: of the left imager.
        pitch_rad: positive is down.
        roll_rad: positive is to the right.
    """

    height_m: float
    pitch_rad: float
    roll_rad: float = 0.0

    def to_floor_frame(self, points_m: np.ndarray) -> np.ndarray:
        """[3, N] points of the optical frame, in the floor's."""
        x, y, z = np.asarray(points_m, np.float64)
        points = self._rotation() @ np.stack([z, -x, -y])
        points[2] += self.height_m
        return points

    def _rotation(self) -> np.ndarray:
        """First roll about x, then pitch about y."""
        cp, sp = math.cos(self.pitch_rad), math.sin(self.pitch_rad)
        cr, sr = math.cos(self.roll_rad), math.sin(self.roll_rad)
        return np.array([[cp, sp * sr, sp * cr], [0.0, cr, -sr], [-sp, cp * sr, cp * cr]])


def fit_camera_pose(depth_mm: np.ndarray, camera: Camera) -> CameraPose:
    """The camera's pose, from the floor in the lower half of its image.

    RANSAC (Fischler and Bolles 1981) over plausible floor planes, then least squares. The floor is
    assumed to be level, and the camera upright to within 45 degrees. The same depth gives the same
    pose.

    Args:
        depth_mm: [H, W], 0 = invalid; the camera's own, so that all methods have the same pose.
        camera: the camera that took the image.

    Raises:
        PoseError: no such plane, or one that is not a floor; the message says why.
    """
    points = camera.points_m(depth_mm)
    lower = points[camera.height // 2 :]
    lower = lower[np.isfinite(lower[..., 2])].astype(np.float64)
    if len(lower) < MIN_FLOOR_POINTS:
        raise PoseError(
            f"the lower half of the image has {len(lower)} valid pixels, a floor needs "
            f"{MIN_FLOOR_POINTS}"
        )
    rng = np.random.default_rng(0)
    sample = lower[rng.choice(len(lower), min(SAMPLE, len(lower)), replace=False)]
    up, height = _refine_floor(sample, *_guess_floor(sample, rng))
    _check_floor(up, height, sample, points[np.isfinite(points[..., 2])])
    # Up in the optical frame is R^T z: (-cos(pitch) sin(roll), -cos(pitch) cos(roll), -sin(pitch)).
    return CameraPose(height, math.asin(-up[2]), math.atan2(-up[0], -up[1]))


def _guess_floor(sample: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Up direction and camera height above the plausible floor plane with the most points."""
    a, b, c = (sample[rng.integers(0, len(sample), GUESSES)] for _ in range(3))
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    # Up is against y of the optical frame.
    ups = normals / np.maximum(lengths, 1e-12) * -np.sign(normals[:, 1:2])
    heights = -np.sum(ups * a, axis=1)
    possible = (lengths[:, 0] > 1e-9) & (-ups[:, 1] >= math.cos(MAX_TILT_RAD)) & (heights > 0)
    if not possible.any():
        raise PoseError(
            "the lower half of the image shows no surface that could be a floor: none below the "
            f"camera is level to {math.degrees(MAX_TILT_RAD):.0f} degrees"
        )
    ups, heights = ups[possible], heights[possible]
    inliers = (np.abs(sample @ ups.T + heights) < FLOOR_M).sum(axis=0)
    best = int(np.argmax(inliers))
    return ups[best], float(heights[best])


def _refine_floor(sample: np.ndarray, up: np.ndarray, height: float) -> tuple[np.ndarray, float]:
    for _ in range(REFINEMENTS):
        floor = sample[np.abs(sample @ up + height) < FLOOR_M]
        if len(floor) < 3:
            break
        centre = floor.mean(axis=0)
        normal = np.linalg.eigh((floor - centre).T @ (floor - centre))[1][:, 0]
        up = normal * -np.sign(normal[1])
        height = -float(up @ centre)
    return up, height


def _check_floor(up: np.ndarray, height: float, sample: np.ndarray, seen: np.ndarray) -> None:
    """Checks that the plane is a plausible floor below a robot or a drone."""
    off = np.abs(sample @ up + height)
    fraction = float(np.mean(off < FLOOR_M))
    if fraction < MIN_FLOOR_FRACTION:
        raise PoseError(
            f"no floor: the flattest level surface holds {100 * fraction:.0f} % of the lower half "
            f"of the image, expected {100 * MIN_FLOOR_FRACTION:.0f} % or more"
        )
    flat = float(np.mean(off[off < FLOOR_M] < FLOOR_M / 2))
    if flat < MIN_FLAT_FRACTION:
        raise PoseError(
            "no floor: the flattest level surface is rough; of its points "
            f"{100 * flat:.0f} % lie within {1000 * FLOOR_M / 2:.0f} mm, expected "
            f"{100 * MIN_FLAT_FRACTION:.0f} % or more"
        )
    tilt = math.acos(min(1.0, max(-1.0, -up[1])))
    if tilt > MAX_TILT_RAD:
        raise PoseError(
            f"the surface below is tilted by {math.degrees(tilt):.0f} degrees against the image; a "
            f"floor is taken up to {math.degrees(MAX_TILT_RAD):.0f}"
        )
    if not HEIGHTS_M[0] <= height <= HEIGHTS_M[1]:
        raise PoseError(
            f"the camera would be {height:.2f} m above the floor, expected {HEIGHTS_M[0]} to "
            f"{HEIGHTS_M[1]} m"
        )
    below = float(np.mean(seen @ up + height < -BELOW_M))
    if below > MAX_BELOW_FRACTION:
        raise PoseError(
            f"{100 * below:.0f} % of what is seen lies more than {100 * BELOW_M:.0f} cm below the "
            "flattest level surface, so that it is a table rather than the floor"
        )
