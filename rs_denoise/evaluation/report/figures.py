"""What each figure is called, and what it says to somebody who builds robots."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """How a figure of a summary is shown.

    Attributes:
        name: as a heading.
        unit: "mm", "%", "px" or "" for a plain number.
        meaning: a sentence with its definition.
        digits: behind the point.
        less_is: "better", "worse", or "" where neither is.
        floor: a change smaller than this, in the unit, is none, whatever its ratio.
    """

    name: str
    unit: str
    meaning: str
    digits: int = 2
    less_is: str = "better"
    floor: float = 0.0

    def text(self, value: float) -> str:
        """The value with its unit."""
        return f"{self.number(value)} {self.unit}".rstrip()

    def number(self, value: float | None) -> str:
        """The value alone, as under a heading that has the unit; a dash where there is none."""
        return "-" if value is None else f"{value:.{self.digits}f}"


# By the name that metrics and the command line give them. Percentages are of pixels.
FIGURES: dict[str, Figure] = {
    "mae_mm": Figure(
        "Mean error", "mm", "Mean absolute difference of depth and ground truth.", 1, floor=0.1
    ),
    "rmse_mm": Figure(
        "RMS error", "mm", "Root of the mean squared error: the worst pixels dominate.", 1,
        floor=0.1,
    ),
    "med_rel_pct": Figure(
        "Median error", "%", "Median absolute error as a share of the true depth.", floor=0.01
    ),
    "rel_pct": Figure(
        "Relative error", "%", "Mean absolute error as a share of the true depth.", floor=0.01
    ),
    "delta_105_pct": Figure(
        "Within 1.05", "%", "Pixels with max(truth/depth, depth/truth) below 1.05.", 1, "worse", 0.1
    ),
    "delta_110_pct": Figure(
        "Within 1.10", "%", "Pixels with max(truth/depth, depth/truth) below 1.10.", 1, "worse", 0.1
    ),
    "delta_125_pct": Figure(
        "Within 1.25", "%", "Pixels with max(truth/depth, depth/truth) below 1.25.", 1, "worse", 0.1
    ),
    "bad5_pct": Figure(
        "Gross errors", "%", "Published pixels more than 5 % off.", floor=0.02
    ),
    "false_free_pct": Figure(
        "False free space", "%", "Published pixels more than 5 % too far.", floor=0.02
    ),
    "phantom_pct": Figure(
        "Phantoms", "%", "Published pixels more than 5 % too near.", floor=0.02
    ),
    "flying_pct": Figure(
        "Flying pixels", "%",
        "Of the pixels within 5 px of a depth edge, those between its two sides and more than 5 % "
        "off.",
        floor=0.02,
    ),
    "ripple_px": Figure(
        "Ripple", "px",
        "RMS of what varies faster than 33 px in the disparity error inside surfaces.",
        3, floor=0.001,
    ),
    "interior_mae_px": Figure(
        "Inside surfaces", "px", "Mean absolute disparity error away from depth edges.", 3,
        floor=0.001,
    ),
    "rim_mae_px": Figure(
        "At rims", "px", "Mean absolute disparity error within 7 px of a depth edge.", 3,
        floor=0.001,
    ),
    "disparity_mae_px": Figure(
        "Disparity error", "px", "Mean absolute disparity error of all pixels.", 3, floor=0.001
    ),
    "thin_recall_pct": Figure(
        "Thin things found", "%",
        "Of foreground narrower than 9 px, what is published within 5 % of its depth.",
        1, "worse", 0.1,
    ),
    "fill_pct": Figure(
        "Fill", "%", "Published pixels; with ground truth, of those that it knows nearer than 6 m.",
        1, "worse", 0.1,
    ),
    "plane_rms_mm": Figure(
        "Unevenness of planes", "mm", "RMS distance to planes fitted to flat surfaces.", 1,
        floor=0.05,
    ),
    "plane_rms_pct": Figure(
        "Unevenness of planes, relative", "%", "The same as a share of the distance.", 3,
        floor=0.005,
    ),
    "plane_subpixel_px": Figure(
        "Unevenness of planes, disparity", "px", "The same in pixels of disparity.", 3, floor=0.001
    ),
    "flying_ir_pct": Figure(
        "Flying pixels, estimated", "%",
        "Pixels more than 5 % from both sides of a depth step, where infrared shows no edge.",
        floor=0.02,
    ),
    "z_accuracy_pct": Figure(
        "Z accuracy", "%", "Median signed error at a wall of known distance (Intel).", 2, ""
    ),
    "changed_median_pct": Figure(
        "Median change", "%", "Median absolute change against the camera, as a share of its depth.",
        less_is="",
    ),
    "changed_bad_pct": Figure(
        "Changed by more than 5 %", "%", "Of the pixels that both have.", less_is=""
    ),
    "dropped_pct": Figure(
        "Dropped", "%", "Of the camera's valid pixels, those not published.", less_is=""
    ),
    "filled_pct": Figure("Filled", "%", "Of the camera's holes, those published.", less_is=""),
    "receded_pct": Figure(
        "Called free", "%",
        "Pixels published farther than the camera measured by more than the gate allows.",
        floor=0.005,
    ),
    "temporal_noise_pct": Figure(
        "Noise over time", "%",
        "Median over pixels of standard deviation / median over still frames (Intel).",
        3, floor=0.002,
    ),
    "temporal_noise_same_pct": Figure(
        "Noise over time, same pixels", "%", "The same over the pixels that the camera has too.",
        3, floor=0.002,
    ),
    "temporal_noise_same_raw_pct": Figure(
        "Camera's noise, same pixels", "%", "The camera's noise over those pixels.", 3, ""
    ),
    "flicker_pct": Figure(
        "Flicker", "%",
        "Of the pixels that do not move, those that change between valid and invalid from a frame "
        "to the next.",
        floor=0.02,
    ),
    "still_frames": Figure("Still frames", "", "Frames that this is of.", 0, ""),
    "marked_cells": Figure("Marked cells", "", "Cells of an obstacle layer with a point.", 1, ""),
    "phantom_cells": Figure(
        "Phantom cells", "", "Marked cells that touch none of those that ground truth marks.", 1,
        floor=1.0,
    ),
    "missed_cells": Figure(
        "Missed cells", "", "Cells that ground truth marks and that touch no marked one.", 1,
        floor=1.0,
    ),
    "appeared_cells": Figure(
        "Appeared cells", "", "Marked cells that touch none of the camera's.", 1, ""
    ),
    "disappeared_cells": Figure(
        "Disappeared cells", "", "Cells of the camera that touch no marked one.", 1, ""
    ),
    "rmse_at_100_mm": Figure(
        "RMS error, ungated", "mm", "RMS error of all pixels before any gate.", 1, ""
    ),
    "rmse_at_90_mm": Figure(
        "RMS error, surest 90 %", "mm", "RMS error of the most confident nine tenths.", 1, ""
    ),
    "ause": Figure(
        "AUSE", "", "How badly confidence sorts the errors: 0 is perfect (Ilg et al. 2018).", 3, ""
    ),
    "calibration_error": Figure(
        "Calibration error", "",
        "Mean difference of what confidence says and how often it is right (ECE).", 3, "",
    ),
}  # fmt: skip


def figure(key: str) -> Figure:
    """The figure of that name; one that is not known is shown by its name."""
    return FIGURES.get(key) or Figure(key, "", "", 3, "")
