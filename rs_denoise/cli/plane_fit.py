"""`rs_denoise plane-fit`: how flat walls and floors come out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from rs_denoise.camera import Camera
from rs_denoise.cli import options
from rs_denoise.drawing.figure import PICTURES, check_suffix, write_figure
from rs_denoise.evaluation.charts.plane_chart import draw_plane_chart
from rs_denoise.evaluation.frame_comparison import FrameComparison
from rs_denoise.evaluation.metrics.averages import mean
from rs_denoise.evaluation.metrics.plane_search import find_planes
from rs_denoise.evaluation.metrics.planes import PlaneError, PlaneFit, Roi, fit_plane
from rs_denoise.gate import Gate
from rs_denoise.offline import OfflineDenoiser
from rs_denoise.recordings.recording import open_recording

# Heading and digits of each figure; those that no depth has are left out.
FIGURES = {
    "fill_pct": ("fill\n%", 1), "rms_mm": ("RMS\nmm", 2), "rms_pct": ("RMS\n%", 2),
    "subpixel_rms_px": ("sub-px\nRMS px", 3), "distance_mm": ("distance\nmm", 0),
    "tilt_deg": ("tilt\ndeg", 1), "z_accuracy_pct": ("Z acc.\n%", 2),
}  # fmt: skip


@dataclass
class Flatness:
    """Fits to the same rectangles in one frame after another.

    Attributes:
        rois: the rectangles.
        fits: of each depth by its name, a list for each rectangle.
        failed: where no plane could be fitted, with the reason.
        frames: how many were looked at.
    """

    rois: list[Roi]
    fits: dict[str, list[list[PlaneFit]]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    frames: int = 0

    def add(
        self, comparison: FrameComparison, wall_mm: float | None
    ) -> dict[str, list[PlaneFit | None]]:
        """Takes a frame; its fits, None where there is no plane."""
        frame = comparison.frame
        self.frames += 1
        taken: dict[str, list[PlaneFit | None]] = {}
        for name, depth_mm in comparison.depths_mm.items():
            kept = self.fits.setdefault(name, [[] for _ in self.rois])
            taken[name] = []
            for roi, fits in zip(self.rois, kept, strict=True):
                fit = self._fitted(f"{name} of {frame.name}", depth_mm, frame.camera, roi, wall_mm)
                taken[name].append(fit)
                fits.extend([fit] if fit is not None else [])
        return taken

    def figures(self, name: str, number: int) -> dict[str, float]:
        """The means of one depth over frames, NaN where there is none."""
        fits = self.fits[name][number]
        values = {key: np.array([getattr(fit, key) for fit in fits], float) for key in FIGURES}
        return {key: mean(value[np.isfinite(value)]) for key, value in values.items()}

    def _fitted(
        self, what: str, depth_mm: np.ndarray, camera: Camera, roi: Roi, wall_mm: float | None
    ) -> PlaneFit | None:
        try:
            return fit_plane(depth_mm, camera, roi, wall_mm)
        except PlaneError as error:
            self.failed[f"{what} ({roi})"] = str(error)
            return None


def plane_fit(
    recording: options.RecordingPath,
    roi: Annotated[
        str | None,
        typer.Option(
            help="Rectangle of a wall or floor, x,y,width,height.",
            show_default="all that are found",
        ),
    ] = None,
    wall: Annotated[
        float | None,
        typer.Option(
            min=1, help="True depth of a wall where the optical axis meets it, mm: Z accuracy."
        ),
    ] = None,
    frame: options.FrameName = None,
    all_frames: Annotated[
        bool, typer.Option("--all-frames", help="Means over all frames, of a camera at rest.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Draw the distances from the plane (.png, .pdf or .svg).")
    ] = None,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
) -> None:
    """Prints how flat a wall or floor is, raw and denoised: Intel's Depth Quality figures.

    Without --roi planes are looked for in the raw depth of the frame.
    """
    check_suffix(out, PICTURES)
    options.check_out(out)
    if all_frames and frame is not None:
        raise typer.BadParameter("--frame chooses one frame, --all-frames takes all: give one")
    if wall is not None and roi is None:
        raise typer.BadParameter("--wall is the distance of one wall: say where, with --roi")
    given = None if roi is None else Roi.parse(roi)
    opened = open_recording(recording)
    method = OfflineDenoiser.load(model, device, Gate(min_confidence, fill_confidence))
    first = FrameComparison.of(opened, frame, method)
    flatness = Flatness([given] if given is not None else _found(first))
    if given is not None:
        given.check(first.frame.camera.width, first.frame.camera.height)
    fits = flatness.add(first, wall)
    console = Console()
    if all_frames:
        rest = (f for f in opened if f.name != first.frame.name)
        for other in track(rest, "fitting", console=console, transient=True):
            flatness.add(FrameComparison(other, method(other)), wall)
    if not any(any(found) for found in flatness.fits.values()):
        raise PlaneError(next(iter(flatness.failed.values())))
    frames = f"mean over {flatness.frames} frames" if all_frames else f"frame {first.frame.name}"
    console.print(frames, highlight=False)
    for number in range(len(flatness.rois)):
        console.print(_table(flatness, number))
    options.print_skipped(console, flatness.failed)
    options.print_skipped(console, opened.skipped)
    if out is not None:
        write_figure(draw_plane_chart(first, flatness.rois, fits), out)
        console.print(f"picture: {out}", highlight=False, soft_wrap=True)


def _found(comparison: FrameComparison) -> list[Roi]:
    """Where raw depth is a plane: what denoising made flat would be no fair choice."""
    frame = comparison.frame
    rois = find_planes(frame.depth_mm, frame.camera)
    if not rois:
        raise PlaneError(
            f"no plane found in frame {frame.name}: point the camera at a wall or the floor, or "
            "name a rectangle with --roi x,y,width,height"
        )
    return rois


def _table(flatness: Flatness, number: int) -> Table:
    """Of one rectangle: a row for each depth."""
    rows = {depth: flatness.figures(depth, number) for depth in flatness.fits}
    known = [key for key in FIGURES if any(np.isfinite(row[key]) for row in rows.values())]
    table = Table(title=f"{number + 1}: region {flatness.rois[number]}", title_justify="left")
    table.add_column("depth", no_wrap=True)
    for key in known:
        table.add_column(FIGURES[key][0], justify="right")
    if flatness.frames > 1:
        table.add_column("frames", justify="right")
    for depth, row in rows.items():
        cells = [_number(row[key], FIGURES[key][1]) for key in known]
        counted = [str(len(flatness.fits[depth][number]))] if flatness.frames > 1 else []
        table.add_row(depth, *cells, *counted)
    return table


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "-"
