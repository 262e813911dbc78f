"""Point clouds seen from a virtual camera that swings around them.

From the real camera's viewpoint every pixel looks right, however wrong its depth. From the side,
flying pixels and wavy walls are visible.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.drawing.picture import brighten_infrared, colour_depth

# Views are rendered larger and averaged down against jagged points.
OVERSAMPLING = 2
# The virtual camera is slightly above, to show floors, and behind the real one, to show everything.
PITCH_DEG = 12.0
STEP_BACK = 0.35
# Points nearer to the virtual camera than this are not drawn.
MIN_DEPTH_M = 0.05
# A point is drawn larger than its pixel by this factor. Otherwise near and oblique surfaces would
# have gaps.
SPLAT = 2.0
# Dark grey: no colour of depth, and not the black of dark infrared.
BACKGROUND = (34, 34, 36)
# Weight of infrared in the brightness of a point; the rest is the colour of its depth.
INFRARED_WEIGHT = 0.45
# Eye-dome lighting: distance of the neighbours in px, and strength of the shading.
SHADING_REACH_PX = 2
SHADING_STRENGTH = 5.5
MIN_SHADE = 0.25
# A key of the z-buffer is depth in mm followed by the number of the point in so many bits. float64,
# which OpenCV can erode, holds both exactly. The background is a last point behind all others.
NUMBER_BITS = 24
BACKGROUND_MM = 1 << 20


@dataclass(frozen=True)
class PointCloud:
    """Coloured points.

    Attributes:
        points_m: [N, 3] float32 in the optical frame (x right, y down, z forward).
        colours: [N, 3] uint8 RGB.
    """

    points_m: np.ndarray
    colours: np.ndarray

    @classmethod
    def of(
        cls, depth_mm: np.ndarray, camera: Camera, infrared: np.ndarray | None,
        near_mm: float, far_mm: float,
    ) -> PointCloud:  # fmt: skip
        """The valid pixels of a depth image, coloured by depth and shaded by the infrared.

        Args:
            depth_mm: [H, W], 0 = invalid.
            camera: of that image.
            infrared: [H, W] uint8, or None: depth alone gives the colours.
            near_mm, far_mm: range of the colours, as in `colour_depth`.
        """
        valid = depth_mm > 0
        colours = colour_depth(depth_mm, near_mm, far_mm)[..., ::-1].astype(np.float32)
        if infrared is not None:
            # Without the projector's dots, which would look like noise.
            light = brighten_infrared(cv2.medianBlur(infrared, 5), infrared.shape) / 255.0
            colours *= 1 - INFRARED_WEIGHT + INFRARED_WEIGHT * np.sqrt(light)
        return cls(camera.points_m(depth_mm)[valid], colours[valid].astype(np.uint8))


@dataclass(frozen=True)
class OrbitCamera:
    """A virtual camera that turns about a pivot.

    Attributes:
        width, height: size of a view in px.
        pivot_m: distance of the pivot, which is on the real camera's optical axis.
        focal_px: focal length of the view.
        splat_px: side of the square that a point becomes, in px before averaging down.
    """

    width: int
    height: int
    pivot_m: float
    focal_px: float
    splat_px: int

    @classmethod
    def of(cls, depth_mm: np.ndarray, camera: Camera, width: int, height: int) -> OrbitCamera:
        """Turns about the median depth; a surface there fills the view as it fills the image.

        Args:
            depth_mm: [H, W], 0 = invalid; without any valid pixel the pivot is at 1 m.
        """
        valid = depth_mm[depth_mm > 0]
        pivot_m = float(np.median(valid)) / 1000 if valid.size else 1.0
        across, down = width * camera.fx / camera.width, height * camera.fy / camera.height
        # Between showing all of the image and filling all of the view.
        focal = float(np.sqrt(across * down))
        splat_px = int(np.ceil(SPLAT * OVERSAMPLING * focal / camera.fx))
        return cls(width, height, pivot_m, focal * (1 + STEP_BACK), splat_px)


def render_view(cloud: PointCloud, orbit_camera: OrbitCamera, yaw_deg: float) -> np.ndarray:
    """Renders the cloud from `yaw_deg` to the right of the real camera, looking at the pivot.

    Returns:
        [height, width, 3] uint8 RGB; the nearest point at each pixel, shaded by eye-dome lighting.
    """
    width, height = OVERSAMPLING * orbit_camera.width, OVERSAMPLING * orbit_camera.height
    nearest = _z_buffer(cloud.points_m, orbit_camera, yaw_deg, (height, width)).astype(np.int64)
    colours = np.vstack([cloud.colours, np.array([BACKGROUND], np.uint8)])
    picture = np.take(colours, nearest & ((1 << NUMBER_BITS) - 1), axis=0)
    size = orbit_camera.width, orbit_camera.height
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    shade = cv2.resize(_shade_eye_dome(nearest >> NUMBER_BITS), size, interpolation=cv2.INTER_AREA)
    return (picture * shade[..., None]).astype(np.uint8)


def swing_angles(count: int, degrees: float) -> np.ndarray:
    """[count] angles of one swing over `degrees` in total, which starts and ends in the middle.

    The first angle follows the last, so that a loop is smooth.
    """
    return degrees / 2 * np.sin(2 * np.pi * np.arange(count) / count)


def render_orbit(
    clouds: list[PointCloud], orbit_camera: OrbitCamera, count: int, degrees: float
) -> Iterator[np.ndarray]:
    """Renders one swing in `count` pictures of the clouds side by side.

    Yields:
        [height, len(clouds) * width, 3] uint8 RGB.
    """
    for yaw_deg in swing_angles(count, degrees):
        yield np.hstack([render_view(cloud, orbit_camera, float(yaw_deg)) for cloud in clouds])


def _z_buffer(
    points_m: np.ndarray, orbit_camera: OrbitCamera, yaw_deg: float, shape: tuple[int, int]
) -> np.ndarray:
    """[H, W] float64, the key of the nearest point at each pixel."""
    height, width = shape
    focal = OVERSAMPLING * orbit_camera.focal_px
    x, y, z = _transform_to_view(points_m, orbit_camera.pivot_m, yaw_deg)
    ahead = np.maximum(z, MIN_DEPTH_M)
    column = np.rint(focal * x / ahead + (width - 1) / 2).astype(np.int32)
    row = np.rint(focal * y / ahead + (height - 1) / 2).astype(np.int32)
    seen = (z > MIN_DEPTH_M) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    depth_mm = (1000 * z[seen]).astype(np.int64)
    keys = (depth_mm << NUMBER_BITS) + np.flatnonzero(seen)
    nothing = (BACKGROUND_MM << NUMBER_BITS) + len(points_m)
    buffer = np.full(height * width, nothing, np.float64)
    np.minimum.at(buffer, row[seen] * width + column[seen], keys.astype(np.float64))
    size = orbit_camera.splat_px
    return cv2.erode(buffer.reshape(shape), np.ones((size, size), np.uint8))


def _transform_to_view(
    points_m: np.ndarray, pivot_m: float, yaw_deg: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, y and z of the points in the virtual camera's frame."""
    yaw, pitch = np.deg2rad([yaw_deg, PITCH_DEG])
    about_y = np.array(
        [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]], np.float64
    )
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    pivot = np.array([0, 0, pivot_m])
    turn = about_x @ about_y
    shift = pivot * (1 + STEP_BACK) - turn @ pivot
    turned = turn.astype(np.float32) @ points_m.T + shift.astype(np.float32)[:, None]
    return turned[0], turned[1], turned[2]


def _shade_eye_dome(depth_mm: np.ndarray) -> np.ndarray:
    """[H, W] float32 brightness; the more its neighbours are in front of it, the darker a pixel.

    Eye-dome lighting (Boucheny 2009) shows the shape of points without normals.
    """
    log_depth = np.log2(depth_mm.astype(np.float32))
    reach = SHADING_REACH_PX
    padded = np.pad(log_depth, reach, mode="edge")
    height, width = log_depth.shape
    behind = np.zeros_like(log_depth)
    for top, left in ((0, reach), (reach, 0), (reach, 2 * reach), (2 * reach, reach)):
        behind += np.maximum(log_depth - padded[top : top + height, left : left + width], 0)
    return np.maximum(np.exp(-SHADING_STRENGTH * behind), MIN_SHADE)
