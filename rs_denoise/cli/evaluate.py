"""`rs_denoise evaluate`: raw against denoised, on any recording."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from rs_denoise.cli import options
from rs_denoise.cli.score_tables import (
    alone_tables,
    markdown_tables,
    methods_table,
    ranking_lines,
    score_table,
)
from rs_denoise.evaluation.baselines import all_baselines
from rs_denoise.evaluation.evaluate import Setting
from rs_denoise.evaluation.evaluate import evaluate as evaluate_frames
from rs_denoise.evaluation.metrics.obstacles import Mount
from rs_denoise.evaluation.metrics.planes import Roi
from rs_denoise.evaluation.requirement import Requirement, RequirementError, RequirementResult
from rs_denoise.evaluation.sampling import sample_frames
from rs_denoise.gate import CAUTIOUS, COMPLETE, Gate
from rs_denoise.offline import Method, OfflineDenoiser
from rs_denoise.recordings.bags.topics import Topics
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.recording import open_recording

FILES, COMPARED, KNOWN = "What to write", "What to compare with", "What is known of the camera"


def evaluate(
    recording: options.RecordingPath,
    size: Annotated[
        str | None, typer.Option(help="Resample to WIDTHxHEIGHT first.", show_default="native")
    ] = None,
    most: Annotated[
        int,
        typer.Option(min=1, help="Frames to score: of more, runs of 40 spread over the recording."),
    ] = 400,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="The figures.", rich_help_panel=FILES)
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="A report to look at.", rich_help_panel=FILES)
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="The tables of methods.", rich_help_panel=FILES)
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with 1 unless this holds, as 'raw.same.mae_mm < 9', with 2 if it cannot be "
            "told; repeatable."
        ),
    ] = None,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="Another model file; repeatable.", rich_help_panel=COMPARED),
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines", help="librealsense's and OpenCV's filters.", rich_help_panel=COMPARED
        ),
    ] = False,
    camera_height: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Above the floor, m, for the costmap.",
            show_default="from the floor",
            rich_help_panel=KNOWN,
        ),
    ] = None,
    camera_pitch: Annotated[
        float,
        typer.Option(help="Degrees, down is positive; with the height.", rich_help_panel=KNOWN),
    ] = 0.0,
    roi: Annotated[
        list[str] | None,
        typer.Option(
            help="x,y,width,height of something flat; repeatable.",
            show_default="found",
            rich_help_panel=KNOWN,
        ),
    ] = None,
    wall: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            help="True depth of the wall in the first --roi, where the optical axis meets it, mm.",
            rich_help_panel=KNOWN,
        ),
    ] = None,
    depth_topic: options.DepthTopic = None,
    infrared_topic: options.InfraredTopic = None,
    ground_truth_topic: options.GroundTruthTopic = None,
    camera_info_topic: options.CameraInfoTopic = None,
    baseline: options.Baseline = None,
) -> None:
    """Says whether it helps on a recording: with ground truth how far off, without how steady.

    Figures are means over frames. Besides the gate that is asked for, a cautious and a complete
    one are scored.
    """  # fmt: skip
    options.check_out(json_file, html, markdown)
    wanted_size = options.parse_size(size)
    requirements = [Requirement.parse(text) for text in require or ()]
    setting = _setting(camera_height, camera_pitch, roi, wall)
    topics = Topics(depth_topic, infrared_topic, ground_truth_topic, camera_info_topic, baseline)
    opened = open_recording(recording, topics)
    denoised = OfflineDenoiser.load(model, device, Gate(min_confidence, fill_confidence))
    methods: dict[str, Method] = {
        "denoised": denoised,
        "denoised_cautious": denoised.with_gate(CAUTIOUS),
        "denoised_complete": denoised.with_gate(COMPLETE),
    }
    for path in beside or ():
        methods[path.stem] = OfflineDenoiser.load(path, device)
    if baselines:
        methods |= all_baselines()
    showcase = _Showcase(denoised) if html is not None else None
    total = opened.count and min(opened.count, most)
    result = evaluate_frames(
        track(sample_frames(opened, opened.count, most), "evaluating", total=total, transient=True),
        methods, wanted_size, setting, showcase,
    )  # fmt: skip
    result.skipped |= opened.skipped
    summary = result.summary() | {
        "recording": recording.resolve().name,
        "model": denoised.model.manifest.name,
        "device": f"{denoised.model.device} {str(denoised.model.precision).removeprefix('torch.')}",
        "timing": _timing(denoised.times_ms),
        "notes": opened.notes,
    }
    verdicts = [_verdict(requirement, summary["methods"]) for requirement in requirements]
    if verdicts:
        summary["requirements"] = [{"text": v.text, "holds": v.holds} for v in verdicts]
    _print(summary)
    if json_file is not None:
        json_file.write_text(json.dumps(summary, indent=1) + "\n")
    if markdown is not None:
        markdown.write_text(markdown_tables(summary))
    if html is not None and showcase is not None:
        showcase.write(html, recording.resolve().name, summary)
    for written in (json_file, markdown, html):
        if written is not None:
            print(f"written: {written}")
    if not all(verdict.holds for verdict in verdicts):
        raise typer.Exit(2 if any(verdict.untold for verdict in verdicts) else 1)


class _Showcase:
    """Keeps what the report shows. plotly, which it needs, takes a second to import."""

    def __init__(self, denoised: OfflineDenoiser) -> None:
        from rs_denoise.evaluation.report.frame_selection import FrameSelection

        self._denoised, self._showcase = denoised, FrameSelection()

    def __call__(self, frame: Frame, depths_mm: dict[str, np.ndarray]) -> None:
        answer = self._denoised.denoise(frame)
        confidence = answer.confidence if self._denoised.model.predicts_uncertainty else None
        self._showcase.add(frame, depths_mm["denoised"], confidence)

    def write(self, path: Path, title: str, summary: dict) -> None:
        from rs_denoise.evaluation.report.report import write_report

        write_report(path, title, summary, self._showcase.scenes())


def _verdict(requirement: Requirement, methods: dict) -> RequirementResult:
    """What cannot be told is not met: the figures that could be had are not lost to it."""
    try:
        return requirement.holds(methods)
    except RequirementError as error:
        return RequirementResult(False, str(error), untold=True)


def _setting(
    height_m: float | None, pitch_deg: float, rois: list[str] | None, wall_mm: float | None
) -> Setting:
    if wall_mm is not None and not rois:
        raise typer.BadParameter("--wall belongs to a --roi: say where the wall is in the image")
    if height_m is None and pitch_deg:
        raise typer.BadParameter("--camera-pitch belongs to a --camera-height")
    return Setting(
        mount=None if height_m is None else Mount(height_m, math.radians(pitch_deg)),
        planes=tuple(Roi.parse(text) for text in rois) if rois else None,
        wall_mm=wall_mm,
    )


def _timing(times_ms: list[float]) -> dict[str, float] | None:
    if not times_ms:
        return None
    p50, p99 = np.percentile(times_ms, [50, 99])
    return {
        "p50_ms": round(float(p50), 1), "p99_ms": round(float(p99), 1), "frames": len(times_ms)
    }  # fmt: skip


def _print(summary: dict) -> None:
    console = Console()
    if not summary["methods"]:
        console.print("no frame could be used: nothing to score")
    elif summary["frames"]:
        console.print(score_table(summary))
        console.print(methods_table(summary, "published"))
        console.print(methods_table(summary, "same"))
        for line in ranking_lines(summary):
            console.print(line)
    if summary["methods"]:
        for table in alone_tables(summary):
            console.print(table)
    for what, why in summary["not_computed"].items():
        console.print(f"[yellow]not computed: {what}: {why}", highlight=False)
    for note in summary["notes"]:
        console.print(f"[yellow]{note}", highlight=False)
    options.print_skipped(console, summary["skipped"])
    for verdict in summary.get("requirements", ()):
        colour, word = ("green", "met") if verdict["holds"] else ("red", "not met")
        console.print(f"[{colour}]{word}: {verdict['text']}", highlight=False)
