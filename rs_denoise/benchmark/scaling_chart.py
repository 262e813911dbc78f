"""Draws how a frame's time scales: the results of `time_scaling` as lines."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from rs_denoise.drawing.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rs_denoise.benchmark.scaling import ScalingTime

# For each panel its title, the label of the horizontal axis, and the dimensions it shows.
PANELS = (
    ("pixels", "megapixels", ("pixels",)),
    ("tiles of 1280x720", "tiles", ("tiles",)),
    ("batch, network alone", "frames in a batch", ("batch",)),
    (
        "cameras: in turn (solid), concurrent (dashed)",
        "cameras",
        ("cameras in turn", "concurrent cameras"),
    ),
)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
# More models than colours are told apart by their markers.
MARKERS = ("o", "s", "^", "D", "v")
STYLES = tuple((colour, marker) for marker in MARKERS for colour in COLOURS)


def draw_scaling(times: dict[str, list[ScalingTime]]) -> Figure:
    """Draws milliseconds per frame over the amount, with a line for each model.

    Args:
        times: by the name of the model.

    Raises:
        ChartError: matplotlib is not installed.
    """
    figure = new_figure(9.0, 5.6)
    for axes, (title, label, dimensions) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        for (name, of_model), (colour, marker) in zip(times.items(), cycle(STYLES), strict=False):
            for dimension, dashes in zip(dimensions, ("-", "--"), strict=False):
                points = sorted((t.amount, t.ms) for t in of_model if t.dimension == dimension)
                axes.plot(*zip(*points, strict=True), dashes, marker=marker, markersize=4,
                          color=colour, label=name)  # fmt: skip
        axes.set_title(title, loc="left", fontsize="medium")
        axes.set_xlabel(label)
        axes.set_ylabel("ms per frame")
        axes.set_xlim(0)
        axes.set_ylim(0, 1.1 * axes.dataLim.ymax)
        axes.xaxis.get_major_locator().set_params(integer=label != "megapixels")
        axes.grid(color="#e4e4e4")
        axes.spines[["top", "right"]].set_visible(False)
    models, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(models, names, loc="outside upper left", ncols=len(names), frameon=False)
    return figure
