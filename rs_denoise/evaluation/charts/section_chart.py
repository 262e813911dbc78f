"""A chart of depth along a line, which the mouse can draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rs_denoise.drawing.figure import LINE_COLOUR, OUTLINE_COLOUR
from rs_denoise.evaluation.cross_section import Pixel
from rs_denoise.evaluation.frame_comparison import TRUTH, FrameComparison
from rs_denoise.offline import DENOISED, RAW

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours of Okabe and Ito, distinct for colour-blind readers too. Ground truth is drawn first, as a
# wide grey line.
STYLES: dict[str, dict] = {
    TRUTH: {"color": "#b0b0b0", "linewidth": 4.0, "zorder": 1},
    RAW: {"color": "#d55e00", "linewidth": 1.0, "marker": ".", "markersize": 3, "zorder": 2},
    DENOISED: {"color": "#0072b2", "linewidth": 1.3, "marker": ".", "markersize": 3, "zorder": 3},
}
# Outliers would flatten the rest of a chart: the axis excludes them, and a text counts them.
SHOWN_PERCENT = (1.0, 99.0)
AXIS_MARGIN, MIN_AXIS_MM = 0.15, 20.0
# A shorter drag counts as a click, because hands are not perfectly steady.
MIN_DRAG_PX = 3


class SectionChart:
    """Infrared and depth with a line across, and depth along it below; the line can be moved.

    Attributes:
        line: its ends, None before there are any.
    """

    def __init__(self, figure: Figure, comparison: FrameComparison) -> None:
        self.figure, self.comparison = figure, comparison
        self.line: tuple[Pixel, Pixel] | None = None
        self.pictures, self.chart = self._lay_out()
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
        """Draws this line and the depth along it.

        Raises:
            CrossSectionError: as `sample_line`; then the last line stays.
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
        """Shows instructions until a line is drawn."""
        self.chart.set_title(text, loc="left", fontsize="medium")

    def _lay_out(self) -> tuple[list[Axes], Axes]:
        pictures = self.comparison.draw_pictures()
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
        """Fits the axis to nearly all samples, and shows how many it excludes."""
        valid = depths_mm[np.isfinite(depths_mm)]
        if not valid.size:
            self.beyond.set_text("no valid sample along this line")
            return
        low, high = np.percentile(valid, SHOWN_PERCENT)
        margin = max(AXIS_MARGIN * (high - low), MIN_AXIS_MM)
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
        """Completes a line at the end of a drag or at the second click, not at the first."""
        if self.drawn and event.button == 1:
            self.start = None

    def _draw_to(self, end: Pixel) -> None:
        assert self.start is not None
        if max(abs(end[0] - self.start[0]), abs(end[1] - self.start[1])) >= MIN_DRAG_PX:
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


def _empty_line(axes: Axes) -> list:
    """A line that is visible on any background: light with a dark outline."""
    outline = axes.plot([], [], color=OUTLINE_COLOUR, linewidth=3.6)
    line = axes.plot(
        [], [], color=LINE_COLOUR, linewidth=1.6, marker="o", markersize=5,
        markeredgecolor=OUTLINE_COLOUR,
    )  # fmt: skip
    return outline + line
