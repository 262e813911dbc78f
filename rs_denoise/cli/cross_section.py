"""`rs_denoise cross-section`: depth along a line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from rs_denoise.cli import options
from rs_denoise.cli.console import make_console
from rs_denoise.cli.recording_options import reads_recordings
from rs_denoise.drawing.figure import PICTURES, ChartError, check_suffix, new_figure, write_figure
from rs_denoise.evaluation.charts.section_chart import LinePicker, SectionChart
from rs_denoise.evaluation.cross_section import CrossSectionError, Pixel, Profile, write_csv
from rs_denoise.evaluation.frame_comparison import TRUTH, FrameComparison, select_frame
from rs_denoise.evaluation.metrics.difference import Difference
from rs_denoise.gate import Gate
from rs_denoise.offline import OfflineDenoiser, explain_rejected
from rs_denoise.recordings.overrides import NO_OVERRIDES, Overrides
from rs_denoise.recordings.recording import open_recording

SIZE_INCHES = (12.0, 7.5)
WINDOW_TITLE = "rs_denoise cross-section"
HINT = "drag a line in a picture, or click its two ends"
Line = tuple[Pixel, Pixel]
HOW_TO_CHOOSE = "give --row N, --column N, or --from x,y --to x,y"


@reads_recordings
def cross_section(
    recording: options.RecordingPath,
    start: Annotated[
        str | None, typer.Option("--from", metavar="X,Y", help="First pixel of the line.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="X,Y", help="Last pixel of the line.")
    ] = None,
    row: Annotated[
        int | None, typer.Option(metavar="N", help="Use image row N as the line.")
    ] = None,
    column: Annotated[
        int | None, typer.Option(metavar="N", help="Use image column N as the line.")
    ] = None,
    frame: options.FrameName = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the plot to this file (.png, .pdf or .svg) instead of a window.",
        ),
    ] = None,
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Also write the samples to this file."),
    ] = None,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
    overrides: Overrides = NO_OVERRIDES,
) -> None:
    """Plots raw, denoised and true depth along a line.

    Without a line, it opens a window to draw one.
    """
    check_suffix(out, PICTURES)
    options.check_out(out, csv_file)
    chosen = _check_choice(start, end, row, column)
    opened = open_recording(recording, overrides)
    in_window = not chosen or (out is None and csv_file is None)
    if in_window:
        _require_display(chosen)
    method = OfflineDenoiser.load(model, device, Gate(min_confidence, fill_confidence))
    comparison = FrameComparison.of(select_frame(opened, frame), method)
    shape = comparison.frame.depth_mm.shape
    given = _get_line(start, end, row, column, shape) if chosen else None
    line = given if given and not in_window else _draw_in_window(comparison, given)
    profiles = comparison.profiles(*line)
    console = make_console()
    if out is not None:
        chart = SectionChart(new_figure(*SIZE_INCHES), comparison)
        chart.show(*line)
        write_figure(chart.figure, out)
        console.print(f"picture: {out}", highlight=False, soft_wrap=True)
    if csv_file is not None:
        write_csv(csv_file, profiles)
        console.print(f"samples: {csv_file}", highlight=False, soft_wrap=True)
    console.print(_make_table(comparison.frame.name, line, profiles))
    skipped = opened.skipped | explain_rejected([comparison.right_rejection])
    options.print_remarks(console, opened.notes, skipped)


def _check_choice(start: str | None, end: str | None, row: int | None, column: int | None) -> bool:
    """Whether a line is given; at most one may be."""
    if (start is None) != (end is None):
        raise typer.BadParameter("--from needs --to: give both")
    given = [start is not None, row is not None, column is not None]
    if sum(given) > 1:
        raise typer.BadParameter(f"more than one line is given: {HOW_TO_CHOOSE}")
    return any(given)


def _get_line(
    start: str | None, end: str | None, row: int | None, column: int | None, shape: tuple[int, ...]
) -> Line:
    height, width = shape
    if row is not None:
        return (0, row), (width - 1, row)
    if column is not None:
        return (column, 0), (column, height - 1)
    return _parse_pixel(start or ""), _parse_pixel(end or "")


def _parse_pixel(text: str) -> Pixel:
    match = re.fullmatch(r"\s*(-?\d+)\s*,\s*(-?\d+)\s*", text)
    if match is None:
        raise typer.BadParameter(f"expected a pixel as x,y, such as 120,300, got '{text}'")
    return int(match[1]), int(match[2])


def _require_display(chosen: bool) -> None:
    """Checks that matplotlib can open a window.

    Raises:
        ChartError: it cannot; the message says what to give instead.
    """
    new_figure(1, 1)
    from matplotlib import pyplot
    from matplotlib.backends import BackendFilter, backend_registry

    where = "--out FILE.png or --csv FILE.csv"
    instead = f"give {where}" if chosen else f"{HOW_TO_CHOOSE}; and {where}"
    try:
        backend = pyplot.get_backend()
        pyplot.switch_backend(backend)
    except ImportError as error:
        raise ChartError(f"no window can be opened ({error}): {instead}") from error
    if backend.lower() not in backend_registry.list_builtin(BackendFilter.INTERACTIVE):
        raise ChartError(f"there is no display to open a window on: {instead}")


def _draw_in_window(comparison: FrameComparison, line: Line | None) -> Line:
    """Shows the chart until its window is closed; returns its line."""
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=SIZE_INCHES, layout="constrained", num=WINDOW_TITLE)
    chart = SectionChart(figure, comparison)
    chart.hint(HINT)
    if line is not None:
        chart.show(*line)
    # matplotlib holds callbacks weakly: the picker must live as long as the window.
    picker = LinePicker(chart)
    pyplot.show()
    if picker.chart.line is None:
        raise CrossSectionError(f"no line was drawn: {HINT}, or {HOW_TO_CHOOSE}")
    return picker.chart.line


def _make_table(name: str, line: Line, profiles: dict[str, Profile]) -> Table:
    """Fraction of valid pixels of each depth along the line, and its error."""
    (x0, y0), (x1, y1) = line
    samples = len(next(iter(profiles.values())).along_px)
    table = Table(
        title=f"frame {name}, {samples} px from {x0},{y0} to {x1},{y1}", title_justify="left"
    )
    table.add_column("depth")
    for heading in ("valid %", "mean error mm", "RMS error mm"):
        table.add_column(heading, justify="right")
    truth = profiles.get(TRUTH)
    for depth, profile in profiles.items():
        cells = ["-", "-"]
        if truth is not None and depth != TRUTH:
            error = Difference.of(profile.depth_mm, truth.depth_mm)
            cells = [f"{mm:.1f}" if error.pixels else "-" for mm in (error.mean_mm, error.rms_mm)]
        table.add_row(depth, f"{100 * np.isfinite(profile.depth_mm).mean():.1f}", *cells)
    return table
