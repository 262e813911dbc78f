"""A chart of the distances between depth and the planes fitted to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.drawing.figure import (
    LINE_COLOUR,
    OUTLINE_COLOUR,
    new_figure,
)
from rs_denoise.evaluation.frame_comparison import FrameComparison
from rs_denoise.evaluation.metrics.planes import PlaneFit, Roi
from rs_denoise.offline import DENOISED, RAW

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The colours span this percentage of the distances from the planes, and at least this many mm.
COLOURED_PERCENT = 98.0
MIN_COLOURED_MM = 0.5
# The detail shows a border around the planes (a fraction of their size), up to a maximum aspect
# ratio.
MARGIN, MAX_ASPECT = 0.06, 1.8
PLANE_INCHES, BAR_INCHES = 15.0, 1.3


def draw_plane_chart(
    comparison: FrameComparison, rois: list[Roi], fits: dict[str, list[PlaneFit | None]]
) -> Figure:
    """Where the planes are, and how far raw and denoised depth are from theirs, in one scale.

    Args:
        comparison: the frame.
        rois: rectangles, numbered from 1 in the picture.
        fits: by name, raw and denoised among them; one for each rectangle, None where there is
            no plane.
    """
    frame = comparison.frame
    distances = {
        name: _distances_mm(comparison.depths_mm[name], frame.camera, rois, fits[name])
        for name in (RAW, DENOISED)
    }
    limit = _colour_limit(list(distances.values()))
    left, right, top, bottom = _find_view_limits(rois, frame.camera)
    # Widths that give all three pictures the same height.
    detail = (right - left) / (bottom - top)
    ratios = [frame.camera.width / frame.camera.height, detail, detail]
    figure = new_figure(PLANE_INCHES, PLANE_INCHES / sum(ratios) + BAR_INCHES)
    axes = figure.subplots(1, 3, width_ratios=ratios)
    title, picture = next(iter(comparison.draw_pictures().items()))
    axes[0].imshow(picture)
    axes[0].set_title(f"{title}, frame {frame.name}", fontsize="medium")
    for panel, (name, distance) in zip(axes[1:], distances.items(), strict=True):
        # Grey, so that holes do not look like distances.
        panel.imshow(picture.mean(axis=2), cmap="gray", vmin=0, vmax=4 * 255)
        image = panel.imshow(distance, cmap=_red_near_colormap(), vmin=-limit, vmax=limit)
        panel.set_xlim(left - 0.5, right - 0.5)
        panel.set_ylim(bottom - 0.5, top - 0.5)
        panel.set_title(_plane_title(name, fits[name]), fontsize="medium")
    for panel in axes:
        panel.set_axis_off()
        _draw_rectangles(panel, rois)
    bar = figure.colorbar(
        image, ax=list(axes), location="bottom", shrink=0.5, aspect=50, extend="both"
    )
    bar.set_label("distance from the plane / mm (negative: nearer)")
    return figure


def _draw_rectangles(axes: Axes, rois: list[Roi]) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    outline = [withStroke(linewidth=3, foreground=OUTLINE_COLOUR)]
    for number, roi in enumerate(rois, 1):
        corner = roi.left - 0.5, roi.top - 0.5
        axes.add_patch(
            Rectangle(
                corner,
                roi.width,
                roi.height,
                fill=False,
                edgecolor=LINE_COLOUR,
                path_effects=outline,
            )
        )
        axes.annotate(
            str(number), corner, xytext=(4, -4), textcoords="offset points", color=LINE_COLOUR,
            va="top", weight="bold", path_effects=outline,
        )  # fmt: skip


def _distances_mm(
    depth_mm: np.ndarray, camera: Camera, rois: list[Roi], fits: list[PlaneFit | None]
) -> np.ndarray:
    """[H, W] how much farther than its rectangle's plane each point is, NaN where there is none."""
    distances = np.full(depth_mm.shape, np.nan)
    for roi, fit in zip(rois, fits, strict=True):
        if fit is not None:
            part = camera.cropped(roi.left, roi.top, roi.width, roi.height)
            points = 1000.0 * part.points_m(roi.of(depth_mm)).astype(np.float64)
            middle = np.array([
                ((roi.width - 1) / 2 - part.cx) / part.fx,
                ((roi.height - 1) / 2 - part.cy) / part.fy,
                1.0,
            ])  # fmt: skip
            # The normal points towards the camera.
            roi.of(distances)[:] = (fit.distance_mm * middle - points) @ fit.normal
    return distances


def _colour_limit(distances_mm: list[np.ndarray]) -> float:
    both = np.concatenate([d[np.isfinite(d)] for d in distances_mm])
    spread = np.percentile(np.abs(both), COLOURED_PERCENT) if both.size else 0.0
    return max(float(spread), MIN_COLOURED_MM)


def _find_view_limits(rois: list[Roi], camera: Camera) -> tuple[int, int, int, int]:
    """Left, right, top and bottom of an area around all rectangles with a moderate aspect ratio."""
    left, top = min(r.left for r in rois), min(r.top for r in rois)
    right, bottom = max(r.left + r.width for r in rois), max(r.top + r.height for r in rois)
    width, height = (1 + 2 * MARGIN) * (right - left), (1 + 2 * MARGIN) * (bottom - top)
    columns = _widen_range(left, right, max(width, height / MAX_ASPECT), camera.width)
    rows = _widen_range(top, bottom, max(height, width / MAX_ASPECT), camera.height)
    return *columns, *rows


def _widen_range(first: int, last: int, size: float, limit: int) -> tuple[int, int]:
    """A range of the given size around the middle of another one, within the image."""
    middle = (first + last) / 2
    return max(round(middle - size / 2), 0), min(round(middle + size / 2), limit)


def _red_near_colormap():
    """The colours of `colour_error`: red too near, blue too far."""
    from matplotlib import colormaps

    return colormaps["RdBu"].with_extremes(bad=(0, 0, 0, 0))


def _plane_title(name: str, fits: list[PlaneFit | None]) -> str:
    errors = ", ".join("-" if fit is None else f"{fit.rms_mm:.1f}" for fit in fits)
    return f"{name}: RMS {errors} mm"
