"""The picture of what grows with what: `time_work` as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_denoise.drawing.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rs_denoise.benchmark.scaling import Cost

# A panel each: title, what is along the axis, and whose lines.
PANELS = (
    ("pixels", "megapixels", ("pixels",)),
    ("tiles of 1280x720", "tiles", ("tiles",)),
    ("frames at once, network alone", "frames", ("batch",)),
    ("cameras of one process", "cameras", ("cameras in turn", "cameras at once")),
)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


def work_chart(costs: dict[str, list[Cost]]) -> Figure:
    """Milliseconds a frame over the amount of work, a line for each model.

    Args:
        costs: by the name of the model.

    Raises:
        ChartError: matplotlib is not installed.
    """
    figure = new_figure(9.0, 5.6)
    for axes, (title, label, works) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        for (name, of_model), colour in zip(costs.items(), COLOURS, strict=False):
            for work, dashes in zip(works, ("-", "--"), strict=False):
                points = sorted((c.amount, c.ms) for c in of_model if c.work == work)
                shown = f"{name}, {work.partition(' ')[2]}" if len(works) > 1 else name
                axes.plot(*zip(*points, strict=True), dashes, marker="o", markersize=4,
                          color=colour, label=shown)  # fmt: skip
        axes.set_title(title, loc="left", fontsize="medium")
        axes.set_xlabel(label)
        axes.set_ylabel("ms a frame")
        axes.set_xlim(0)
        # Room above for the legend.
        axes.set_ylim(0, 1.4 * axes.dataLim.ymax)
        axes.xaxis.get_major_locator().set_params(integer=label != "megapixels")
        axes.grid(color="#e4e4e4")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper left", ncols=2, frameon=False, fontsize="small",
                    handlelength=1.6, columnspacing=1.0)  # fmt: skip
    return figure
