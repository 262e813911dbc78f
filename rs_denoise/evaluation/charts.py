"""Charts of one frame as the camera saw it, denoised, and as it is.

matplotlib is imported where it is used, so that what draws nothing does without.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.evaluation.comparison import DENOISED, RAW, TRUTH, Comparison
from rs_denoise.evaluation.cross_section import Pixel
from rs_denoise.evaluation.picture import depth_picture, infrared_picture
from rs_denoise.evaluation.planes import PlaneFit, Roi

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of Okabe and Ito, told apart by the colour-blind too; the truth lies beneath, wide and grey.
STYLES: dict[str, dict] = {
    TRUTH: {"color": "#b0b0b0", "linewidth": 4.0, "zorder": 1},
    RAW: {"color": "#d55e00", "linewidth": 1.0, "marker": ".", "markersize": 3, "zorder": 2},
    DENOISED: {"color": "#0072b2", "linewidth": 1.3, "marker": ".", "markersize": 3, "zorder": 3},
}
LINE_COLOUR, RIM_COLOUR, INVALID_COLOUR = "#ffffff", "#000000", "#282828"
PICTURES = (".png", ".pdf", ".svg")
DOTS_PER_INCH = 110
# Wild samples would flatten the rest of a chart; they leave it, and are counted in it.
SHOWN_PERCENT = (1.0, 99.0)
AXIS_MARGIN, LEAST_AXIS_MM = 0.15, 20.0
# Of the distances from a plane, so many are within the colours.
COLOURED_PERCENT = 98.0
LEAST_COLOURED_MM = 0.5
# A hand that clicks moves by less.
SHORTEST_DRAG_PX = 3
# Of a picture of planes: what is around them, as a share of their size, and the
# longer side by the shorter.
MARGIN, MOST_OBLONG = 0.06, 1.8
PLANE_INCHES, BAR_INCHES = 15.0, 1.3


class ChartError(RuntimeError):
    """A chart that cannot be drawn or written; the message says what to do."""


def check_suffix(path: Path | None, known: tuple[str, ...]) -> None:
    """Sees that a file can be written as its name asks for, before the work is done.

    Raises:
        ChartError: it cannot.
    """
    if path is not None and path.suffix.lower() not in known:
        raise ChartError(f"{path}: its name must end in {' or '.join(known)}")


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """A figure without a window.

    Raises:
        ChartError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ChartError(f"charts need 'pip install matplotlib' ({error})") from error
    return Figure((width_inches, height_inches), dpi=DOTS_PER_INCH, layout="constrained")


def write_figure(figure: Figure, path: Path) -> None:
    """Writes PNG, PDF or SVG, as the name ends.

    Raises:
        ChartError: it ends otherwise.
        OSError: the file cannot be written.
    """
    check_suffix(path, PICTURES)
    figure.savefig(path)


class SectionChart:
    """Infrared and depth with a line across, and depth along it below; the line can be moved.

    Attributes:
        line: its ends, None before there are any.
    """

    def __init__(self, figure: Figure, comparison: Comparison) -> None:
        self.figure, self.comparison = figure, comparison
        self.line: tuple[Pixel, Pixel] | None = None
        self.pictures, self.chart = self._laid_out()
        self.drawn = [drawn for axes in self.pictures for drawn in _empty_line(axes)]
        self.curves = {
            name: self.chart.plot([], [], label=name, **STYLES[name])[0]
            for name in comparison.depths_mm
        }
        # Above the chart, where no curve is.
        self.chart.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)
        self.beyond = self.chart.text(
            0.01, 0.97, "", transform=self.chart.transAxes, va="top", fontsize="small"
        )

    def show(self, start: Pixel, end: Pixel) -> None:
        """Draws this line and what is along it.

        Raises:
            CrossSectionError: as `along`; then the last line stays.
        """
        profiles = self.comparison.profiles(start, end)
        self.line = start, end
        for drawn in self.drawn:
            drawn.set_data([start[0], end[0]], [start[1], end[1]])
        for name, profile in profiles.items():
            self.curves[name].set_data(profile.along_px, profile.depth_mm)
        self.chart.set_xlim(0, next(iter(profiles.values())).along_px[-1])
        depths = [profile.depth_mm for profile in profiles.values()]
        self._scale(np.concatenate(depths))
        self.chart.set_title(
            f"frame {self.comparison.frame.name}, {start[0]},{start[1]} to {end[0]},{end[1]}",
            loc="left",
            fontsize="medium",
        )

    def hint(self, text: str) -> None:
        """Says what to do, until a line is shown."""
        self.chart.set_title(text, loc="left", fontsize="medium")

    def _laid_out(self) -> tuple[list[Axes], Axes]:
        pictures = _pictures(self.comparison)
        grid = self.figure.add_gridspec(2, len(pictures), height_ratios=[1, 1.35])
        above = []
        for column, (title, picture) in enumerate(pictures.items()):
            axes = self.figure.add_subplot(grid[0, column])
            axes.imshow(picture)
            axes.set_title(title, fontsize="medium")
            axes.set_axis_off()
            above.append(axes)
        chart = self.figure.add_subplot(grid[1, :])
        chart.set_xlabel("along the line / px")
        chart.set_ylabel("depth / mm")
        chart.set_xlim(0, self.comparison.frame.camera.width)
        chart.set_ylim(self.comparison.range_mm)
        chart.grid(color="#dddddd", linewidth=0.7)
        chart.set_axisbelow(True)
        return above, chart

    def _scale(self, depths_mm: np.ndarray) -> None:
        """Fits the axis to nearly all samples, and says how many it leaves out."""
        valid = depths_mm[np.isfinite(depths_mm)]
        if not valid.size:
            self.beyond.set_text("no valid sample along this line")
            return
        low, high = np.percentile(valid, SHOWN_PERCENT)
        margin = max(AXIS_MARGIN * (high - low), LEAST_AXIS_MM)
        self.chart.set_ylim(low - margin, high + margin)
        outside = int(((valid < low - margin) | (valid > high + margin)).sum())
        self.beyond.set_text(f"{outside} samples beyond the axis" if outside else "")


class LinePicker:
    """Lets a line of a chart be drawn with the mouse: drag it, or click at both of its ends."""

    def __init__(self, chart: SectionChart) -> None:
        self.chart = chart
        self.start: Pixel | None = None
        self.drawn = False
        canvas = chart.figure.canvas
        canvas.mpl_connect("button_press_event", self._press)
        canvas.mpl_connect("motion_notify_event", self._move)
        canvas.mpl_connect("button_release_event", self._release)

    def _press(self, event) -> None:
        pixel = self._pixel(event)
        if pixel is None or event.button != 1:
            return
        self.drawn = False
        if self.start is None:
            self.start = pixel
        else:
            self._draw_to(pixel)

    def _move(self, event) -> None:
        pixel = self._pixel(event)
        if pixel is not None and self.start is not None:
            self._draw_to(pixel)

    def _release(self, event) -> None:
        """A line is done where a drag ends or at the second click, not at the first."""
        if self.drawn and event.button == 1:
            self.start = None

    def _draw_to(self, end: Pixel) -> None:
        assert self.start is not None
        if max(abs(end[0] - self.start[0]), abs(end[1] - self.start[1])) >= SHORTEST_DRAG_PX:
            self.drawn = True
            self.chart.show(self.start, end)
            self.chart.figure.canvas.draw_idle()

    def _pixel(self, event) -> Pixel | None:
        """The pixel below the pointer; none beside the pictures or while they are zoomed."""
        toolbar = getattr(self.chart.figure.canvas, "toolbar", None)
        if event.inaxes not in self.chart.pictures or (toolbar is not None and toolbar.mode):
            return None
        height, width = self.chart.comparison.frame.depth_mm.shape
        x, y = round(event.xdata), round(event.ydata)
        return min(max(x, 0), width - 1), min(max(y, 0), height - 1)


def plane_chart(
    comparison: Comparison, rois: list[Roi], fits: dict[str, list[PlaneFit | None]]
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
    left, right, top, bottom = _surroundings(rois, frame.camera)
    # So wide that all three pictures have the same height.
    detail = (right - left) / (bottom - top)
    ratios = [frame.camera.width / frame.camera.height, detail, detail]
    figure = new_figure(PLANE_INCHES, PLANE_INCHES / sum(ratios) + BAR_INCHES)
    axes = figure.subplots(1, 3, width_ratios=ratios)
    title, picture = next(iter(_pictures(comparison).items()))
    axes[0].imshow(picture)
    axes[0].set_title(f"{title}, frame {frame.name}", fontsize="medium")
    for panel, (name, distance) in zip(axes[1:], distances.items(), strict=True):
        # Without any hue, so that holes do not look like distances.
        panel.imshow(picture.mean(axis=2), cmap="gray", vmin=0, vmax=4 * 255)
        image = panel.imshow(distance, cmap=_near_red(), vmin=-limit, vmax=limit)
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


def _pictures(comparison: Comparison) -> dict[str, np.ndarray]:
    """RGB by title: the infrared where there is any, then depth."""
    near, far = comparison.range_mm
    pictures = {}
    if comparison.frame.infrared is not None:
        pictures["infrared"] = infrared_picture(comparison.frame.infrared, ())
    for name in (RAW, DENOISED):
        pictures[f"depth, {name}"] = depth_picture(comparison.depths_mm[name], near, far)
    return {title: picture[..., ::-1] for title, picture in pictures.items()}


def _empty_line(axes: Axes) -> list:
    """A line that shows on any ground: light on a dark rim."""
    rim = axes.plot([], [], color=RIM_COLOUR, linewidth=3.6)
    line = axes.plot(
        [], [], color=LINE_COLOUR, linewidth=1.6, marker="o", markersize=5,
        markeredgecolor=RIM_COLOUR,
    )  # fmt: skip
    return rim + line


def _draw_rectangles(axes: Axes, rois: list[Roi]) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    rim = [withStroke(linewidth=3, foreground=RIM_COLOUR)]
    for number, roi in enumerate(rois, 1):
        corner = roi.left - 0.5, roi.top - 0.5
        axes.add_patch(
            Rectangle(
                corner, roi.width, roi.height, fill=False, edgecolor=LINE_COLOUR, path_effects=rim
            )
        )
        axes.annotate(
            str(number), corner, xytext=(4, -4), textcoords="offset points", color=LINE_COLOUR,
            va="top", weight="bold", path_effects=rim,
        )  # fmt: skip


def _distances_mm(
    depth_mm: np.ndarray, camera: Camera, rois: list[Roi], fits: list[PlaneFit | None]
) -> np.ndarray:
    """[H, W] how much farther than its rectangle's plane each point is, NaN where there is none."""
    distances = np.full(depth_mm.shape, np.nan)
    for roi, fit in zip(rois, fits, strict=True):
        if fit is not None:
            part = camera.resampled(1.0, roi.left, roi.top, roi.width, roi.height)
            points = 1000.0 * part.points_m(roi.of(depth_mm)).astype(np.float64)
            middle = np.array([
                ((roi.width - 1) / 2 - part.cx) / part.fx,
                ((roi.height - 1) / 2 - part.cy) / part.fy,
                1.0,
            ])  # fmt: skip
            # The normal looks at the camera.
            roi.of(distances)[:] = (fit.distance_mm * middle - points) @ fit.normal
    return distances


def _colour_limit(distances_mm: list[np.ndarray]) -> float:
    both = np.concatenate([d[np.isfinite(d)] for d in distances_mm])
    spread = np.percentile(np.abs(both), COLOURED_PERCENT) if both.size else 0.0
    return max(float(spread), LEAST_COLOURED_MM)


def _surroundings(rois: list[Roi], camera: Camera) -> tuple[int, int, int, int]:
    """Left, right, top and bottom of what holds all rectangles, neither very flat nor very tall."""
    left, top = min(r.left for r in rois), min(r.top for r in rois)
    right, bottom = max(r.left + r.width for r in rois), max(r.top + r.height for r in rois)
    width, height = (1 + 2 * MARGIN) * (right - left), (1 + 2 * MARGIN) * (bottom - top)
    columns = _widened(left, right, max(width, height / MOST_OBLONG), camera.width)
    rows = _widened(top, bottom, max(height, width / MOST_OBLONG), camera.height)
    return *columns, *rows


def _widened(first: int, last: int, size: float, limit: int) -> tuple[int, int]:
    """A range of that size about the middle of another, as far as the image goes."""
    middle = (first + last) / 2
    return max(round(middle - size / 2), 0), min(round(middle + size / 2), limit)


def _near_red():
    """The colours of `error_picture`: red too near, blue too far."""
    from matplotlib import colormaps

    return colormaps["RdBu"].with_extremes(bad=(0, 0, 0, 0))


def _plane_title(name: str, fits: list[PlaneFit | None]) -> str:
    errors = ", ".join("-" if fit is None else f"{fit.rms_mm:.1f}" for fit in fits)
    return f"{name}: RMS {errors} mm"
