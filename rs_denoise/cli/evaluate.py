"""`rs_denoise evaluate`: raw against denoised, on any recording."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_denoise.cli import options
from rs_denoise.cli.console import make_console
from rs_denoise.cli.each_recording import show_progress
from rs_denoise.cli.evaluate_batch import Outputs, evaluate_batch, exit_code, print_comparison
from rs_denoise.cli.recording_options import reads_recordings
from rs_denoise.cli.summary_tables import (
    describe_confidence,
    describe_image_agreement,
    make_accuracy_table,
    make_markdown_tables,
    make_method_tables,
    make_no_reference_tables,
)
from rs_denoise.evaluation.batch.batch_summary import read_summaries
from rs_denoise.evaluation.batch.ranking import Ranking
from rs_denoise.evaluation.batch.run_comparison import compare_runs
from rs_denoise.evaluation.frame_metrics import CameraSetup
from rs_denoise.evaluation.metrics.camera_pose import CameraPose
from rs_denoise.evaluation.metrics.planes import Roi
from rs_denoise.evaluation.recording_evaluator import EvaluationSettings, RecordingEvaluator
from rs_denoise.evaluation.report.headline import answer_questions, list_warnings
from rs_denoise.evaluation.summary import Summary
from rs_denoise.gate import Gate
from rs_denoise.recordings.find_recordings import find_recordings
from rs_denoise.recordings.overrides import NO_OVERRIDES, Overrides
from rs_denoise.shipped_models import name_for_others
from rs_denoise.task_runner import ClusterRunner

if TYPE_CHECKING:
    from rs_denoise.evaluation.requirement import Requirement

FILES, COMPARED, KNOWN = "What to write", "What to compare with", "What is known of the camera"


@reads_recordings
def evaluate(
    recordings: options.RecordingPaths,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTHxHEIGHT",
            help="Resample the frames to this size first.",
            show_default="native",
        ),
    ] = None,
    max_frames: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="If a recording is longer, runs of 40 frames spread evenly over it are measured.",
        ),
    ] = 400,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="All metrics.", rich_help_panel=FILES),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An HTML report.", rich_help_panel=FILES),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Tables that compare the methods.", rich_help_panel=FILES
        ),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Exit with 1 if this does not hold, e.g. 'denoised.same.mae_mm < 9', and with 2 "
            "if it cannot be evaluated; repeatable. @FILE reads them from a file, one per line.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER.json",
            help="Compare with the --json file of an earlier run on the same recordings. Exit "
            "with 1 if a metric got worse.",
            rich_help_panel=COMPARED,
        ),
    ] = None,
    worst_by: Annotated[
        str | None,
        typer.Option(
            metavar="BLOCK.METRIC",
            help="Sort several recordings by this metric, the worst change first.",
            show_default="same.mae_mm, or alone.plane_rms_mm",
        ),
    ] = None,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MODEL",
            callback=options.check_models,
            help="Also measure this model file or shipped model; repeatable.",
            rich_help_panel=COMPARED,
        ),
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines",
            help="Also measure the filters of librealsense and OpenCV.",
            rich_help_panel=COMPARED,
        ),
    ] = False,
    camera_height: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="METRES",
            help="Height of the camera above the floor, m; for the obstacle metrics.",
            show_default="fitted to the floor",
            rich_help_panel=KNOWN,
        ),
    ] = None,
    camera_pitch: Annotated[
        float,
        typer.Option(
            metavar="DEGREES",
            help="Pitch of the camera, degrees, positive is down; with --camera-height.",
            rich_help_panel=KNOWN,
        ),
    ] = 0.0,
    roi: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y,WIDTH,HEIGHT",
            help="Rectangle of a flat surface, px; repeatable.",
            show_default="searched for",
            rich_help_panel=KNOWN,
        ),
    ] = None,
    wall: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            metavar="MM",
            help="True depth, mm, where the optical axis meets the wall of the first --roi.",
            rich_help_panel=KNOWN,
        ),
    ] = None,
    overrides: Overrides = NO_OVERRIDES,
    scheduler: options.Scheduler = None,
) -> None:
    """Measures whether denoising helps on recordings, with ground truth or without.

    Metrics are means over frames. In addition to the chosen gate, a cautious and a complete one are
    measured. With several recordings, or a folder of them, each is measured, and --html is an index
    of their reports. Exits with 3 if one of them fails.
    """
    options.check_out(json_file, html, markdown)
    wanted_size = options.parse_size(size)
    requirements = _parse_requirements(require or [])
    setup = _setup(camera_height, camera_pitch, roi, wall)
    models = [model, *(beside or ())]
    if scheduler is not None:
        models = [name_for_others(file) for file in models]
    settings = EvaluationSettings(
        model=models[0],
        device=device,
        gate=Gate(min_confidence, fill_confidence),
        beside=tuple(models[1:]),
        baselines=baselines,
        size=wanted_size,
        max_frames=max_frames,
        setup=setup,
        overrides=overrides,
    )
    earlier = read_summaries(against) if against is not None else None
    ranking = Ranking.parse(worst_by) if worst_by else None
    found = find_recordings(recordings)
    evaluator = RecordingEvaluator(settings, requirements)
    outputs = Outputs(json_file, html, markdown)
    if len(found) > 1:
        raise typer.Exit(evaluate_batch(evaluator, found, ranking, earlier, outputs, scheduler))
    (path,) = found.values()
    summary = _measure(evaluator, path, html, scheduler)
    code = _report(summary, outputs, earlier)
    if code:
        raise typer.Exit(code)


def _report(summary: Summary, outputs: Outputs, earlier: dict[str, Summary] | None) -> int:
    """Prints and writes the metrics of one recording; returns the exit code."""
    _print(summary)
    outputs.write(summary.to_json(), partial(make_markdown_tables, summary))
    outputs.print_written()
    comparison = None
    if earlier is not None:
        comparison = compare_runs(earlier, {summary.recording: summary})
        print_comparison(make_console(), comparison)
    _print_verdict(summary)
    return exit_code([summary], comparison)


def _measure(
    evaluator: RecordingEvaluator, path: Path, html: Path | None, scheduler: str | None
) -> Summary:
    if scheduler is None:
        return evaluator.evaluate(path, html, partial(show_progress, "evaluating", make_console()))
    work = partial(evaluator.evaluate, html=html and html.absolute())
    (outcome,) = ClusterRunner(scheduler).run(work, [path.absolute()])
    return outcome.get()


def _parse_requirements(texts: list[str]) -> list[Requirement]:
    """Reads the requirements before any work. simpleeval is needed only if there are any."""
    if not texts:
        return []
    try:
        from rs_denoise.evaluation.requirement import Requirement
    except ImportError as error:
        raise typer.BadParameter(f"--require needs 'pip install simpleeval' ({error})") from error
    return [Requirement.parse(line) for text in texts for line in _read_lines(text)]


def _read_lines(text: str) -> list[str]:
    """The requirement itself, or those of the file if it is "@FILE"."""
    if not text.startswith("@"):
        return [text]
    try:
        content = Path(text[1:]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"--require {text}: cannot read the file ({error})") from error
    lines = (line.partition("#")[0].strip() for line in content.splitlines())
    found = [line for line in lines if line]
    if not found:
        raise typer.BadParameter(f"--require {text}: the file contains no requirement")
    return found


def _setup(
    height_m: float | None, pitch_deg: float, rois: list[str] | None, wall_mm: float | None
) -> CameraSetup:
    for option, value in {"height": height_m, "pitch": pitch_deg}.items():
        if value is not None and not math.isfinite(value):
            raise typer.BadParameter(f"--camera-{option} must be a finite number, got {value}")
    if wall_mm is not None and not rois:
        raise typer.BadParameter("--wall needs --roi: give the rectangle that shows the wall")
    if height_m is None and pitch_deg:
        raise typer.BadParameter("--camera-pitch needs --camera-height: give both")
    return CameraSetup(
        pose=None if height_m is None else CameraPose(height_m, math.radians(pitch_deg)),
        planes=tuple(Roi.parse(text) for text in rois) if rois else None,
        wall_mm=wall_mm,
    )


def _print(summary: Summary) -> None:
    console = make_console()
    if not summary.methods:
        console.print("no frame could be used: nothing to measure")
    elif summary.frames:
        for table in (make_accuracy_table(summary), *make_method_tables(summary)):
            if table is not None:
                console.print(table)
        for line in (*describe_confidence(summary), *describe_image_agreement(summary)):
            console.print(line)
    if summary.methods:
        for table in make_no_reference_tables(summary):
            console.print(table)
    for what, why in summary.not_computed.items():
        console.print(f"not measured: {what}: {why}", style="yellow", highlight=False)
    options.print_remarks(console, summary.notes, summary.skipped)
    for requirement in summary.requirements:
        colour, word = ("green", "met") if requirement.holds else ("red", "not met")
        console.print(f"{word}: {requirement.text}", style=colour, highlight=False)


def _print_verdict(summary: Summary) -> None:
    """Prints in one line whether it is better and safe, as in the report, after any warnings."""
    if summary.methods:
        for warning in list_warnings(summary):
            make_console().print(warning, style="yellow", highlight=False, soft_wrap=True)
        better, safe, _ = answer_questions(summary)
        verdict = f"{better.sentences[0]} {safe.sentences[0]}"
        make_console().print(verdict, style="bold", highlight=False, soft_wrap=True)
