"""One HTML file that opens anywhere without a network: figures, frames, points, methods.

Everything is inside, plotly.js too. The page's policy lets only the scripts run whose hashes this
module wrote, so that what a recording is called cannot become a program.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import metadata, resources
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from rs_denoise.drawing.picture import depth_range
from rs_denoise.evaluation.report import pictures
from rs_denoise.evaluation.report.cards import DENOISED, RAW, computed
from rs_denoise.evaluation.report.figures import figure
from rs_denoise.evaluation.report.headline import verdicts, warnings
from rs_denoise.evaluation.report.pictures import Legend
from rs_denoise.evaluation.report.tables import not_computed, over_distance_sentence, tables
from rs_denoise.recordings.frame import Frame

TRUTH = "truth"


@dataclass(frozen=True)
class ReportFrame:
    """One frame that the report shows in full.

    Attributes:
        frame: as recorded; infrared and ground truth are shown where it has them.
        denoised_mm: [H, W] uint16, 0 = invalid.
        confidence: [H, W] float 0..1, or None of a network that knows no doubt.
    """

    frame: Frame
    denoised_mm: np.ndarray
    confidence: np.ndarray | None


@dataclass(frozen=True)
class Picture:
    """A data URI and what it shows."""

    uri: str
    caption: str


@dataclass(frozen=True)
class View:
    """One way to look at a scene: a picture, or one before and one after."""

    key: str
    label: str
    pictures: tuple[Picture, ...]
    legend: Legend | None = None


def write_report(path: Path, title: str, summary: dict, scenes: list[ReportFrame]) -> None:
    """Writes the page.

    Args:
        path: of the HTML file; overwritten.
        title: its heading.
        summary: as `Evaluation.summary` gives it, with what else was computed: "without_truth",
            "notes", "recording", "model", "device", "over_distance" (`ErrorByDistance.summary`),
            "timing", "requirements", and in "not_computed" why something is missing. Every part may
            be missing.
        scenes: the frames to look at; each adds about 1.5 MB at 848x480.

    Raises:
        OSError: the file cannot be written.
    """
    summary = summary | {"methods": computed(summary.get("methods", {}))}
    ranges_mm = [_range_mm(scene) for scene in scenes]
    over_distance = summary.get("over_distance")
    page = _template().render(
        title=title,
        summary=summary,
        made=_made(),
        verdicts=verdicts(summary),
        warnings=warnings(summary),
        tables=tables(summary),
        not_computed=not_computed(summary),
        figures=_used_figures(summary),
        over_distance_sentence=over_distance_sentence(over_distance) if over_distance else "",
        scenes=[
            {"name": scene.frame.name, "views": _views(scene, range_mm)}
            for scene, range_mm in zip(scenes, ranges_mm, strict=True)
        ],
        data={
            "scenes": [_data(*pair) for pair in zip(scenes, ranges_mm, strict=True)],
            "over_distance": over_distance,
            "colours": pictures.depth_colours(),
        },
        style=Markup(_resource("style.css")),
        scripts=[Markup(text) for text in (get_plotlyjs(), _resource("script.js"))],
        script_hash=_script_hash,
    )
    path.write_text(page, encoding="utf-8")


def _template():
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # Methods and depths come in the order in which they are given: the camera first.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "allow_nan": False}
    return environment.from_string(_resource("page.html"))


def _resource(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _script_hash(text: str) -> str:
    """As a content security policy names a script that may run."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _made() -> str:
    version = metadata.version("rs_denoise")
    return f"rs_denoise {version}, {datetime.now():%Y-%m-%d %H:%M}"


def _used_figures(summary: dict) -> list:
    keys = (
        key
        for blocks in summary["methods"].values()
        for scores in blocks.values()
        for key in scores
    )
    return [figure(key) for key in dict.fromkeys(keys) if figure(key).meaning]


def _range_mm(scene: ReportFrame) -> tuple[float, float]:
    """Of the truth where there is one: wrong matches need no colours of their own."""
    truth = scene.frame.ground_truth_mm
    return depth_range(truth if truth is not None and truth.any() else scene.frame.depth_mm)


def _views(scene: ReportFrame, range_mm: tuple[float, float]) -> list[View]:
    frame, denoised_mm = scene.frame, scene.denoised_mm
    raw_mm, truth_mm = frame.depth_mm, frame.ground_truth_mm
    depth_legend = pictures.depth_legend(range_mm)
    both = (
        Picture(pictures.depth_uri(raw_mm, range_mm), "Camera"),
        Picture(pictures.depth_uri(denoised_mm, range_mm), "Denoised"),
    )
    views = [View("depth", "Depth", both, depth_legend)]
    if truth_mm is not None:
        errors = (
            Picture(pictures.error_uri(raw_mm, truth_mm), "Error of the camera"),
            Picture(pictures.error_uri(denoised_mm, truth_mm), "Error, denoised"),
        )
        truth = Picture(pictures.depth_uri(truth_mm, range_mm), "Ground truth")
        views.append(View("error", "Error", errors, pictures.error_legend("the truth")))
        views.append(View(TRUTH, "Ground truth", (truth,), depth_legend))
    change = Picture(pictures.error_uri(denoised_mm, raw_mm), "Change made to the camera's depth")
    views.append(View("change", "Change", (change,), pictures.error_legend("the camera's depth")))
    if frame.infrared is not None:
        infrared = Picture(pictures.infrared_uri(frame.infrared), "Infrared, left, brightened")
        views.append(View("infrared", "Infrared", (infrared,)))
    if scene.confidence is not None:
        doubt = Picture(pictures.confidence_uri(scene.confidence), "Confidence")
        views.append(View("confidence", "Confidence", (doubt,), pictures.confidence_legend()))
    return views


def _data(scene: ReportFrame, range_mm: tuple[float, float]) -> dict:
    """What the page's script needs of a scene to draw cross-sections and points."""
    frame = scene.frame
    depths_mm = {RAW: frame.depth_mm, DENOISED: scene.denoised_mm}
    if frame.ground_truth_mm is not None:
        depths_mm[TRUTH] = frame.ground_truth_mm
    return {
        "camera": asdict(frame.camera),
        "near_mm": range_mm[0],
        "far_mm": range_mm[1],
        "depths": {name: pictures.packed(depth_mm) for name, depth_mm in depths_mm.items()},
    }
