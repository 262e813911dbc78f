"""Draws how a frame's time grows: the results of `time_scaling` as lines."""

from __future__ import annotations

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
    ("cameras of one process", "cameras", ("cameras in turn", "concurrent cameras")),
)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


def draw_scaling(times: dict[str, list[ScalingTime]]) -> Figure:
    """Draws milliseconds per frame over the amount, with a line for each model.

    Args:
        times: by the name of the model.

    Raises:
        ChartError: matplotlib is not installed.
    """
    figure = new_figure(9.0, 5.6)
    for axes, (title, label, dimensions) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        for (name, of_model), colour in zip(times.items(), COLOURS, strict=False):
            for dimension, dashes in zip(dimensions, ("-", "--"), strict=False):
                points = sorted((t.amount, t.ms) for t in of_model if t.dimension == dimension)
                shown = f"{name}, {dimension}" if len(dimensions) > 1 else name
                axes.plot(*zip(*points, strict=True), dashes, marker="o", markersize=4,
                          color=colour, label=shown)  # fmt: skip
        axes.set_title(title, loc="left", fontsize="medium")
        axes.set_xlabel(label)
        axes.set_ylabel("ms per frame")
        axes.set_xlim(0)
        # Space above for the legend.
        axes.set_ylim(0, 1.4 * axes.dataLim.ymax)
        axes.xaxis.get_major_locator().set_params(integer=label != "megapixels")
        axes.grid(color="#e4e4e4")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper left", ncols=2, frameon=False, fontsize="small",
                    handlelength=1.6, columnspacing=1.0)  # fmt: skip
    return figure
