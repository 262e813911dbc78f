"""A frame of the report: its pictures, and its depth for the page's script."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from rs_denoise.drawing.picture import find_depth_range
from rs_denoise.evaluation.report import pictures
from rs_denoise.evaluation.report.agreement import map_agreement
from rs_denoise.evaluation.report.pictures import Legend
from rs_denoise.offline import DENOISED, RAW
from rs_denoise.recordings.frame import Frame

# Name of the ground truth in the page's script and buttons.
TRUTH = "truth"


@dataclass(frozen=True)
class ReportFrame:
    """One frame that the report shows in full.

    Attributes:
        frame: as recorded; infrared and ground truth are shown where it has them.
        denoised_mm: [H, W] uint16, 0 = invalid.
        confidence: [H, W] float 0..1, or None if the network does not predict it.
        uses_right_infrared: whether the network does, where the frame has it.
    """

    frame: Frame
    denoised_mm: np.ndarray
    confidence: np.ndarray | None
    uses_right_infrared: bool = False

    @property
    def range_mm(self) -> tuple[float, float]:
        """Nearest and farthest depth that get colours; of ground truth if there is any."""
        truth = self.frame.ground_truth_mm
        return find_depth_range(truth if truth is not None and truth.any() else self.frame.depth_mm)


@dataclass(frozen=True)
class Picture:
    """A data URI and what it shows."""

    uri: str
    caption: str


@dataclass(frozen=True)
class View:
    """One way to look at a frame: a picture, or one before and one after."""

    key: str
    label: str
    pictures: tuple[Picture, ...]
    legend: Legend | None = None


def make_views(shown: ReportFrame) -> list[View]:
    """The available pictures of a frame."""
    frame, denoised_mm, range_mm = shown.frame, shown.denoised_mm, shown.range_mm
    raw_mm, truth_mm = frame.depth_mm, frame.ground_truth_mm
    depth_legend = pictures.draw_depth_legend(range_mm)
    both = (
        Picture(pictures.encode_depth(raw_mm, range_mm), "Camera"),
        Picture(pictures.encode_depth(denoised_mm, range_mm), "Denoised"),
    )
    views = [View("depth", "Depth", both, depth_legend)]
    if truth_mm is not None:
        errors = (
            Picture(pictures.encode_error(raw_mm, truth_mm), "Error of the camera"),
            Picture(pictures.encode_error(denoised_mm, truth_mm), "Error, denoised"),
        )
        truth = Picture(pictures.encode_depth(truth_mm, range_mm), "Ground truth")
        views.append(View("error", "Error", errors, pictures.draw_error_legend("the truth")))
        views.append(View(TRUTH, "Ground truth", (truth,), depth_legend))
    change = Picture(
        pictures.encode_error(denoised_mm, raw_mm), "Change made to the camera's depth"
    )
    views.append(
        View("change", "Change", (change,), pictures.draw_error_legend("the camera's depth"))
    )
    if frame.infrared is not None:
        infrared = Picture(pictures.encode_infrared(frame.infrared), "Infrared, left, brightened")
        views.append(View("infrared", "Infrared", (infrared,)))
    if shown.uses_right_infrared and frame.has_infrared_pair:
        matches = (
            _draw_agreement(frame, raw_mm, "Match at the camera's depth"),
            _draw_agreement(frame, denoised_mm, "Match at denoised depth"),
        )
        views.append(View("match", "Match", matches, pictures.draw_agreement_legend()))
    if shown.confidence is not None:
        confidence = Picture(pictures.encode_confidence(shown.confidence), "Confidence")
        views.append(
            View("confidence", "Confidence", (confidence,), pictures.draw_confidence_legend())
        )
    return views


def _draw_agreement(frame: Frame, depth_mm: np.ndarray, caption: str) -> Picture:
    return Picture(pictures.encode_agreement(map_agreement(frame, depth_mm)), caption)


def pack_frame(shown: ReportFrame) -> dict:
    """The data from which the page's script draws cross-sections and points."""
    frame, range_mm = shown.frame, shown.range_mm
    depths_mm = {RAW: frame.depth_mm, DENOISED: shown.denoised_mm}
    if frame.ground_truth_mm is not None:
        depths_mm[TRUTH] = frame.ground_truth_mm
    return {
        "camera": asdict(frame.camera),
        "near_mm": range_mm[0],
        "far_mm": range_mm[1],
        "depths": {name: pictures.pack_depth(depth_mm) for name, depth_mm in depths_mm.items()},
    }
