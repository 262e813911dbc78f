"""Flatness of walls and floors: Intel's Depth Quality metrics, without ground truth.

Source: librealsense's Depth Quality Tool (tools/depth-quality), which fits first and then drops the
extremes; here they are dropped first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rs_denoise.camera import Camera

# Intel drops this fraction of the nearest and of the farthest points.
DROPPED_FRACTION = 0.005
# Minimum number of points of a surface.
MIN_POINTS = 100
# Planes seen at a smaller angle, whose sine this is (0.6 degrees), cannot be fitted.
MIN_VIEW_ANGLE_SINE = 0.01


class PlaneError(ValueError):
    """A region that is not in the image, or that shows no plane."""


@dataclass(frozen=True)
class Roi:
    """A rectangle of pixels, the region of interest.

    Attributes:
        left, top: its first column and row.
        width, height: in px, at least 1.
    """

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Roi:
        """Reads "x,y,width,height".

        Raises:
            PlaneError: the text is not four whole numbers, or not a rectangle.
        """
        try:
            left, top, width, height = (int(part) for part in text.split(","))
        except ValueError:
            raise PlaneError(
                f"region '{text}': expected four whole numbers x,y,width,height, such as "
                "300,200,80,60"
            ) from None
        if left < 0 or top < 0 or width < 1 or height < 1:
            raise PlaneError(
                f"region '{text}': x and y must be 0 or more, width and height 1 or more"
            )
        return cls(left, top, width, height)

    def check(self, width: int, height: int) -> None:
        """Checks that it is within images of this size.

        Raises:
            PlaneError: it is not.
        """
        if self.left + self.width > width or self.top + self.height > height:
            raise PlaneError(
                f"region {self} ends at column {self.left + self.width} and row "
                f"{self.top + self.height}, but the image is {width}x{height}"
            )

    def of(self, image: np.ndarray) -> np.ndarray:
        """The part of an [H, W] image within the rectangle, a view."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]

    def overlaps(self, other: Roi) -> bool:
        """Whether the rectangles have a pixel in common."""
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )

    def scaled(self, rows: int, columns: int) -> Roi:
        """Converts from cells of the given rows and columns to pixels."""
        left, width = (columns * n for n in (self.left, self.width))
        top, height = (rows * n for n in (self.top, self.height))
        return Roi(left, top, width, height)

    def without_border(self, rows: int, columns: int) -> Roi:
        """Removes rows at the top and bottom, and columns at both sides."""
        return Roi(
            self.left + columns, self.top + rows, self.width - 2 * columns, self.height - 2 * rows
        )

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.width},{self.height}"


@dataclass(frozen=True)
class PlaneFit:
    """A plane fitted to the depth of a region.

    Attributes:
        fill_pct: valid pixels of the region.
        rms_mm: RMS distance of the points from the plane, along its normal (Intel's plane-fit RMS
            error, spatial noise).
        rms_pct: rms_mm in percent of distance_mm.
        subpixel_rms_px: RMS of fx * baseline / Z - fx * baseline / Z_plane, where Z_plane is the
            depth at which the pixel's ray meets the plane. (The Depth Quality Tool takes the foot
            of the perpendicular instead: the same for a wall that faces the camera.)
        distance_mm: depth of the plane at the region's centre.
        tilt_deg: between the plane's normal and the optical axis; 0 faces the camera.
        normal: [3] float64, of length 1, towards the camera, in the optical frame.
        z_accuracy_pct: median signed error at the wall, positive is too far; NaN if its distance is
            unknown.
    """

    fill_pct: float
    rms_mm: float
    rms_pct: float
    subpixel_rms_px: float
    distance_mm: float
    tilt_deg: float
    normal: np.ndarray
    z_accuracy_pct: float = math.nan


def fit_plane(
    depth_mm: np.ndarray, camera: Camera, roi: Roi, wall_mm: float | None = None
) -> PlaneFit:
    """Fits a plane by least squares, without the 0.5 % nearest and farthest points.

    Args:
        depth_mm: [H, W], 0 = invalid.
        camera: the camera that took the image.
        roi: where the plane is.
        wall_mm: depth of the wall where the optical axis meets it, if it is known.

    Returns:
        Z accuracy is, as in Intel's tool, the median over the points of
        (Z - wall_mm) / wall_mm * 100 after the fitted plane was turned to face the camera. Turning
        the plane about its point on the optical axis keeps each point's distance from it, so
        nothing is turned here: Z is the plane's depth on the axis plus that distance.

    Raises:
        PlaneError: `roi` is not in the image, has too few valid points, they span no plane, or
            `wall_mm` is given of a plane that the optical axis does not meet in front.
    """
    roi.check(camera.width, camera.height)
    part = camera.cropped(roi.left, roi.top, roi.width, roi.height)
    points = _points_mm(roi.of(depth_mm), part, roi)
    kept = points[_drop_extremes(points[:, 2])]
    normal, offset = _fit_through(kept, roi)
    column, row = (roi.width - 1) / 2, (roi.height - 1) / 2
    middle = np.array([(column - part.cx) / part.fx, (row - part.cy) / part.fy, 1.0])
    distance = _depth_along(middle, normal, offset, f"the centre of region {roi}")
    # The normal points to the camera, so farther points have a smaller product with it.
    farther = offset - kept @ normal
    scale = camera.disparity_scale_px_mm
    plane_px = scale * (kept @ normal / kept[:, 2]) / offset
    return PlaneFit(
        fill_pct=100.0 * len(points) / (roi.width * roi.height),
        rms_mm=_rms(farther),
        rms_pct=100.0 * _rms(farther) / distance,
        subpixel_rms_px=_rms(scale / kept[:, 2] - plane_px),
        distance_mm=distance,
        tilt_deg=math.degrees(math.acos(min(1.0, abs(normal[2])))),
        normal=normal,
        z_accuracy_pct=_z_accuracy(normal, offset, farther, wall_mm),
    )


def _points_mm(depth_mm: np.ndarray, camera: Camera, roi: Roi) -> np.ndarray:
    """[N, 3] of the valid pixels of a region, whose own camera this is."""
    points = 1000.0 * camera.points_m(depth_mm)[depth_mm > 0].astype(np.float64)
    if len(points) < MIN_POINTS:
        raise PlaneError(
            f"region {roi} has {len(points)} valid pixels, a plane needs {MIN_POINTS}: "
            "choose a larger region, or one without a hole"
        )
    return points


def _drop_extremes(z: np.ndarray) -> np.ndarray:
    """Indices of all but the 0.5 % least and greatest."""
    dropped = int(len(z) * DROPPED_FRACTION)
    return np.argsort(z, kind="stable")[dropped : len(z) - dropped]


def _fit_through(points: np.ndarray, roi: Roi) -> tuple[np.ndarray, float]:
    """Normal, towards the camera, and offset of the plane normal @ point = offset < 0."""
    centre = points.mean(axis=0)
    spread, directions = np.linalg.eigh((points - centre).T @ (points - centre))
    if spread[1] <= 1e-9 * spread[2]:
        raise PlaneError(f"region {roi}: its points lie on a line; choose a wider region")
    normal = directions[:, 0]
    offset = float(normal @ centre)
    if abs(offset) < MIN_VIEW_ANGLE_SINE * float(np.linalg.norm(centre)):
        raise PlaneError(
            f"region {roi}: its points lie on a plane that the camera sees edge-on, as a row of "
            "pixels does; choose a larger region"
        )
    return (-normal, -offset) if offset > 0 else (normal, offset)


def _depth_along(ray: np.ndarray, normal: np.ndarray, offset: float, where: str) -> float:
    """Depth at which a ray whose z is 1 meets the plane."""
    cosine = float(ray @ normal)
    if cosine > -1e-9:
        raise PlaneError(
            f"{where} does not meet the plane in front of the camera: choose a region on the wall "
            "that the camera looks at"
        )
    return offset / cosine


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _z_accuracy(
    normal: np.ndarray, offset: float, farther: np.ndarray, wall_mm: float | None
) -> float:
    if wall_mm is None:
        return math.nan
    if not (math.isfinite(wall_mm) and wall_mm > 0):
        raise PlaneError(f"the wall's distance must be a positive number of mm, got {wall_mm!r}")
    on_axis = _depth_along(np.array([0.0, 0.0, 1.0]), normal, offset, "the optical axis")
    return 100.0 * (on_axis + float(np.median(farther)) - wall_mm) / wall_mm
