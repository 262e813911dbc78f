"""`rs_denoise plane-fit`: how flat walls and floors are, before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track
from rich.table import Table

from rs_denoise.camera import Camera
from rs_denoise.cli import options
from rs_denoise.cli.console import count_frames, make_console
from rs_denoise.cli.recording_options import reads_recordings
from rs_denoise.drawing.figure import PICTURES, check_suffix, write_figure
from rs_denoise.drawing.text_table import format_number
from rs_denoise.evaluation.charts.plane_chart import draw_plane_chart
from rs_denoise.evaluation.frame_comparison import FrameComparison, select_frame
from rs_denoise.evaluation.metrics.averages import mean
from rs_denoise.evaluation.metrics.plane_search import find_planes
from rs_denoise.evaluation.metrics.planes import PlaneError, PlaneFit, Roi, fit_plane
from rs_denoise.gate import Gate
from rs_denoise.offline import OfflineDenoiser, explain_rejected
from rs_denoise.recordings.overrides import NO_OVERRIDES, Overrides
from rs_denoise.recordings.recording import open_recording


@dataclass(frozen=True)
class Column:
    """A metric of the table; it is omitted if no depth image has it."""

    heading: str
    digits: int
    read: Callable[[PlaneFit], float]


COLUMNS = (
    Column("fill\n%", 1, lambda fit: fit.fill_pct),
    Column("RMS\nmm", 2, lambda fit: fit.rms_mm),
    Column("RMS\n%", 2, lambda fit: fit.rms_pct),
    Column("sub-px\nRMS px", 3, lambda fit: fit.subpixel_rms_px),
    Column("distance\nmm", 0, lambda fit: fit.distance_mm),
    Column("tilt\ndeg", 1, lambda fit: fit.tilt_deg),
    Column("Z acc.\n%", 2, lambda fit: fit.z_accuracy_pct),
)


@dataclass
class PlaneFits:
    """Planes fitted to the same rectangles in one frame after another.

    Attributes:
        rois: the rectangles.
        fits: by name of the depth, a list for each rectangle.
        failed: depth images without a fitted plane, with the reason.
        frames: how many frames were added.
    """

    rois: list[Roi]
    fits: dict[str, list[list[PlaneFit]]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    frames: int = 0

    def add(
        self, comparison: FrameComparison, wall_mm: float | None
    ) -> dict[str, list[PlaneFit | None]]:
        """Adds a frame; returns its fits, None where no plane could be fitted."""
        frame = comparison.frame
        self.frames += 1
        taken: dict[str, list[PlaneFit | None]] = {}
        for name, depth_mm in comparison.depths_mm.items():
            kept = self.fits.setdefault(name, [[] for _ in self.rois])
            taken[name] = []
            for roi, fits in zip(self.rois, kept, strict=True):
                fit = self._fit(f"{name} of {frame.name}", depth_mm, frame.camera, roi, wall_mm)
                taken[name].append(fit)
                fits.extend([fit] if fit is not None else [])
        return taken

    def mean(self, name: str, number: int, column: Column) -> float:
        """Mean of a metric over the frames; NaN where no frame has it."""
        values = np.array([column.read(fit) for fit in self.fits[name][number]], float)
        return mean(values[np.isfinite(values)])

    def _fit(
        self, what: str, depth_mm: np.ndarray, camera: Camera, roi: Roi, wall_mm: float | None
    ) -> PlaneFit | None:
        try:
            return fit_plane(depth_mm, camera, roi, wall_mm)
        except PlaneError as error:
            self.failed[f"{what} ({roi})"] = str(error)
            return None


@reads_recordings
def plane_fit(
    recording: options.RecordingPath,
    roi: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,WIDTH,HEIGHT",
            help="Rectangle of a wall or floor, px.",
            show_default="searched for",
        ),
    ] = None,
    wall: Annotated[
        float | None,
        typer.Option(
            min=1,
            metavar="MM",
            help="True depth, mm, where the optical axis meets the wall; gives Z accuracy.",
        ),
    ] = None,
    frame: options.FrameName = None,
    all_frames: Annotated[
        bool,
        typer.Option("--all-frames", help="Average over all frames; the camera must not move."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also plot the distances from the planes to this file (.png, .pdf or .svg).",
        ),
    ] = None,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
    overrides: Overrides = NO_OVERRIDES,
) -> None:
    """Measures how flat walls and floors are, raw and denoised (Intel's Depth Quality metrics).

    Without --roi, planes are searched for in the raw depth of the frame.
    """
    check_suffix(out, PICTURES)
    options.check_out(out)
    if all_frames and frame is not None:
        raise typer.BadParameter("--frame and --all-frames exclude each other: give one")
    if wall is not None and roi is None:
        raise typer.BadParameter("--wall needs --roi: give the rectangle that shows the wall")
    given = None if roi is None else Roi.parse(roi)
    opened = open_recording(recording, overrides)
    method = OfflineDenoiser.load(model, device, Gate(min_confidence, fill_confidence))
    first = FrameComparison.of(select_frame(opened, frame), method)
    rejections = [first.right_rejection]
    planes = PlaneFits([given] if given is not None else _find_rois(first))
    if given is not None:
        given.check(first.frame.camera.width, first.frame.camera.height)
    fits = planes.add(first, wall)
    console = make_console()
    if all_frames:
        rest = (f for f in opened if f.name != first.frame.name)
        for other in track(rest, "fitting", console=console, transient=True):
            comparison = FrameComparison.of(other, method)
            rejections.append(comparison.right_rejection)
            planes.add(comparison, wall)
    if not any(any(found) for found in planes.fits.values()):
        raise PlaneError(next(iter(planes.failed.values())))
    averaged = f"mean over {count_frames(planes.frames)}"
    frames = averaged if all_frames else f"frame {first.frame.name}"
    console.print(frames, highlight=False)
    for number in range(len(planes.rois)):
        console.print(_make_table(planes, number))
    skipped = planes.failed | opened.skipped | explain_rejected(rejections)
    options.print_remarks(console, opened.notes, skipped)
    if out is not None:
        write_figure(draw_plane_chart(first, planes.rois, fits), out)
        console.print(f"picture: {out}", highlight=False, soft_wrap=True)


def _find_rois(comparison: FrameComparison) -> list[Roi]:
    """Finds planes in raw depth: a search in denoised depth would favour denoising."""
    frame = comparison.frame
    rois = find_planes(frame.depth_mm, frame.camera)
    if not rois:
        raise PlaneError(
            f"no plane found in frame {frame.name}: point the camera at a wall or the floor, or "
            "give a rectangle with --roi x,y,width,height"
        )
    return rois


def _make_table(planes: PlaneFits, number: int) -> Table:
    """The table of one rectangle: a row for each depth."""
    rows = {
        name: {column: planes.mean(name, number, column) for column in COLUMNS}
        for name in planes.fits
    }
    known = [c for c in COLUMNS if any(np.isfinite(row[c]) for row in rows.values())]
    table = Table(title=f"{number + 1}: region {planes.rois[number]}", title_justify="left")
    table.add_column("depth", no_wrap=True)
    for column in known:
        table.add_column(column.heading, justify="right")
    if planes.frames > 1:
        table.add_column("frames", justify="right")
    for name, row in rows.items():
        cells = [format_number(row[column], column.digits) for column in known]
        counted = [str(len(planes.fits[name][number]))] if planes.frames > 1 else []
        table.add_row(name, *cells, *counted)
    return table
