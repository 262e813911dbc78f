"""The effect of depth on a Nav2 obstacle layer: marked cells, false and missed obstacles.

The geometry is that of nav2_costmap_2d's ObstacleLayer, with its parameters' names and defaults: a
point between two heights and nearer than a range marks the cell below it. (The voxel layer does the
same with mark_threshold 0.) Clearing and inflation are not modelled.
Source: navigation2, nav2_costmap_2d/plugins/obstacle_layer.cpp and nav2_bringup's nav2_params.yaml.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.evaluation.metrics.blocks import ObstacleCells

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
# More cells a side than uint16 mm of depth reach, at any resolution in use.
CELLS_PER_SIDE = 1 << 24


class MountError(ValueError):
    """The camera's pose above the floor cannot be found; the message says why."""


@dataclass(frozen=True)
class Mount:
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

    def on_floor(self, points_m: np.ndarray) -> np.ndarray:
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


@dataclass(frozen=True)
class ObstacleLayer:
    """An obstacle layer's geometry, with Nav2's names.

    Attributes:
        min_obstacle_height: m above the floor from which a point marks. Nav2's default is 0, and
            its bringup, made for a 2D lidar, leaves it there: with a depth camera half of the floor
            would be marked by its noise. 0.05 is one voxel of bringup's voxel layer, and at
            obstacle_max_range some five sigma of the noise of a floor.
        max_obstacle_height: m above the floor, Nav2's default.
        obstacle_min_range, obstacle_max_range: m from the camera, Nav2's defaults.
        resolution: m, of bringup's costmaps.
    """

    min_obstacle_height: float = 0.05
    max_obstacle_height: float = 2.0
    obstacle_min_range: float = 0.0
    obstacle_max_range: float = 2.5
    resolution: float = 0.05

    def mark_cells(self, depth_mm: np.ndarray, camera: Camera, mount: Mount) -> np.ndarray:
        """The cells that depth marks.

        Args:
            depth_mm: [H, W], 0 = invalid.
            camera: that took it.
            mount: where it is.

        Returns:
            [N, 2] int64, forward and left in cells from the camera, sorted, each once.
        """
        points = mount.on_floor(
            _points_in_range(depth_mm, camera, self.obstacle_min_range, self.obstacle_max_range)
        )
        height = points[2]
        high = (height >= self.min_obstacle_height) & (height <= self.max_obstacle_height)
        forward, left = np.floor(points[:2, high] / self.resolution).astype(np.int64)
        keys = _keys(forward, left)
        # Of two columns np.unique takes ten times as long.
        keys = np.unique(keys)
        return (
            np.stack([keys // CELLS_PER_SIDE, keys % CELLS_PER_SIDE], axis=1) - CELLS_PER_SIDE // 2
        )


class ObstacleCounter:
    """Counts the cells that depth images of one frame mark, correctly and wrongly.

    Cells that touch count as the same cell, so an obstacle at the border of a cell is not an error.
    A cell without ground truth is not a false obstacle. Without any ground truth, false and missed
    cells are NaN.

    Args:
        layer: the obstacle layer.
        mount: where the camera is.
        camera: that took the images.
        raw_mm, truth_mm: [H, W] uint16, 0 = invalid or unknown: the camera's depth and the truth,
            None if there is none.
    """

    def __init__(
        self, layer: ObstacleLayer, mount: Mount, camera: Camera, raw_mm: np.ndarray,
        truth_mm: np.ndarray | None,
    ) -> None:  # fmt: skip
        self._layer, self._mount, self._camera = layer, mount, camera
        self._raw, self._truth_mm = self._mark_cells(raw_mm), truth_mm
        self._truth = None if truth_mm is None else self._mark_cells(truth_mm)

    def count(self, depth_mm: np.ndarray) -> ObstacleCells:
        """Counts those of one method's depth, [H, W] uint16, 0 = invalid."""
        marked = self._mark_cells(depth_mm)
        false = missed = math.nan
        if self._truth_mm is not None and self._truth is not None:
            judged = self._mark_cells(np.where(self._truth_mm > 0, depth_mm, 0))
            false, missed = _count_apart(judged, self._truth), _count_apart(self._truth, marked)
        return ObstacleCells(
            marked_cells=float(len(marked)),
            false_obstacle_cells=false,
            missed_cells=missed,
            appeared_cells=_count_apart(marked, self._raw),
            disappeared_cells=_count_apart(self._raw, marked),
        )

    def _mark_cells(self, depth_mm: np.ndarray) -> np.ndarray:
        return self._layer.mark_cells(depth_mm, self._camera, self._mount)


def fit_mount(depth_mm: np.ndarray, camera: Camera) -> Mount:
    """The camera's pose, from the floor in the lower half of its image.

    RANSAC (Fischler and Bolles 1981) over plausible floor planes, then least squares. The floor is
    assumed to be level, and the camera upright to within 45 degrees. The same depth gives the same
    mount.

    Args:
        depth_mm: [H, W], 0 = invalid; the camera's own, so that all methods have the same mount.
        camera: that took it.

    Raises:
        MountError: no such plane, or one that is not a floor; the message says why.
    """
    points = camera.points_m(depth_mm)
    lower = points[camera.height // 2 :]
    lower = lower[np.isfinite(lower[..., 2])].astype(np.float64)
    if len(lower) < MIN_FLOOR_POINTS:
        raise MountError(
            f"the lower half of the image has {len(lower)} valid pixels, a floor needs "
            f"{MIN_FLOOR_POINTS}"
        )
    rng = np.random.default_rng(0)
    sample = lower[rng.choice(len(lower), min(SAMPLE, len(lower)), replace=False)]
    up, height = _refine_floor(sample, *_guess_floor(sample, rng))
    _check_floor(up, height, sample, points[np.isfinite(points[..., 2])])
    # Up in the optical frame is R^T z: (-cos(pitch) sin(roll), -cos(pitch) cos(roll), -sin(pitch)).
    return Mount(height, math.asin(-up[2]), math.atan2(-up[0], -up[1]))


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
        raise MountError(
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
        raise MountError(
            f"no floor: the flattest level surface holds {100 * fraction:.0f} % of the lower half "
            f"of the image, expected {100 * MIN_FLOOR_FRACTION:.0f} % or more"
        )
    flat = float(np.mean(off[off < FLOOR_M] < FLOOR_M / 2))
    if flat < MIN_FLAT_FRACTION:
        raise MountError(
            "no floor: the flattest level surface is rough; of its points "
            f"{100 * flat:.0f} % lie within {1000 * FLOOR_M / 2:.0f} mm, expected "
            f"{100 * MIN_FLAT_FRACTION:.0f} % or more"
        )
    tilt = math.acos(min(1.0, max(-1.0, -up[1])))
    if tilt > MAX_TILT_RAD:
        raise MountError(
            f"the surface below is tilted by {math.degrees(tilt):.0f} degrees against the image; a "
            f"floor is taken up to {math.degrees(MAX_TILT_RAD):.0f}"
        )
    if not HEIGHTS_M[0] <= height <= HEIGHTS_M[1]:
        raise MountError(
            f"the camera would be {height:.2f} m above the floor, expected {HEIGHTS_M[0]} to "
            f"{HEIGHTS_M[1]} m"
        )
    below = float(np.mean(seen @ up + height < -BELOW_M))
    if below > MAX_BELOW_FRACTION:
        raise MountError(
            f"{100 * below:.0f} % of what is seen lies more than {100 * BELOW_M:.0f} cm below the "
            "flattest level surface, so that it is a table rather than the floor"
        )


def _points_in_range(
    depth_mm: np.ndarray, camera: Camera, nearest_m: float, farthest_m: float
) -> np.ndarray:
    """[3, N] float32 points of the optical frame, m, between two distances from the camera.

    Computes one coordinate after the other: three times as fast as `Camera.points_m`, most of whose
    points would be dropped.
    """
    x, y = camera.ray_slopes()
    z = depth_mm.astype(np.float32) / 1000
    distance = z * np.sqrt(1 + x**2 + y[:, None] ** 2)
    wanted = (z > 0) & (distance >= nearest_m) & (distance < farthest_m)
    rows, columns = np.nonzero(wanted)
    z = z[wanted]
    return np.stack([x[columns] * z, y[rows] * z, z])


def _count_apart(cells: np.ndarray, reference: np.ndarray) -> float:
    """How many of [N, 2] cells touch none of the reference's, not even at a corner."""
    steps = np.mgrid[-1:2, -1:2].reshape(2, -1).T
    around = (reference[:, None] + steps).reshape(-1, 2)
    return float(np.count_nonzero(~np.isin(_keys(*cells.T), _keys(*around.T))))


def _keys(forward: np.ndarray, left: np.ndarray) -> np.ndarray:
    """One number for each cell, in their order."""
    return (forward + CELLS_PER_SIDE // 2) * CELLS_PER_SIDE + left + CELLS_PER_SIDE // 2
