"""`rs_denoise simulate --fidelity`: runs the simulated matcher on real infrared pairs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.progress import track
from rich.table import Table

from rs_denoise.camera import CameraError
from rs_denoise.cli.console import make_console
from rs_denoise.drawing.text_table import format_number
from rs_denoise.recordings.atomic_output import write_text
from rs_denoise.recordings.folders.frame_folder import find_frames, read_frame
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.simulation.fidelity import Fidelity, average, measure_fidelity
from rs_denoise.simulation.matcher import Matcher

TITLE = "matcher against camera, on the camera's own infrared"
HEADINGS = {
    "agree_1px": "agree\n1px",
    "median_px": "median\npx",
    "hole_iou": "hole\niou",
    "hole_ratio": "hole\nratio",
    "error_correlation": "error\ncorr.",
    "sigma_ratio": "sigma\nratio",
    "fattening_recall": "fat.\nrecall",
    "fattening_ratio": "fat.\nratio",
    "bad_ratio": "bad\nratio",
}
NO_PAIR = (
    "no infrared of both imagers (infra1.png and infra2.png); set the driver's enable_infra1 and "
    "enable_infra2"
)


def report_fidelity(folder: Path, json_file: Path | None) -> None:
    """Prints how well the matcher reproduces each frame under `folder`, and the mean.

    Raises:
        RecordingError: none of the frames can be read and has infrared of both imagers.
    """
    console = make_console()
    paths, without_camera = find_frames(folder)
    skipped = {path.name: reason for path, reason in without_camera.items()}
    each: dict[str, Fidelity] = {}
    for path in track(paths, "matching", console=console, transient=True):
        try:
            frame = read_frame(path)
        except (RecordingError, CameraError, OSError) as error:
            skipped[path.name] = str(error)
            continue
        if frame.infrared is None or frame.infrared_right is None:
            skipped[frame.name] = NO_PAIR
        else:
            each[frame.name] = measure_fidelity(frame, Matcher())
    if not each:
        name, reason = next(iter(skipped.items()))
        raise RecordingError(f"{folder}: no frame can be used; of the first one, {name}: {reason}")
    mean = average(each.values())
    console.print(_make_table(each, mean))
    for name, reason in skipped.items():
        console.print(f"skipped {name}: {reason}", style="yellow", highlight=False)
    if json_file is not None:
        result = {
            "frames": len(each),
            "skipped": sorted(skipped),
            "mean": _replace_nan(mean),
            "each": {name: _replace_nan(asdict(fidelity)) for name, fidelity in each.items()},
        }
        write_text(json_file, json.dumps(result, indent=1) + "\n")


def _make_table(each: dict[str, Fidelity], mean: dict[str, float]) -> Table:
    table = Table(title=TITLE, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1))
    table.add_column("frame", overflow="fold")
    for heading in HEADINGS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for frame, fidelity in each.items():
        table.add_row(frame, *(format_number(getattr(fidelity, name)) for name in HEADINGS))
    table.add_section()
    table.add_row("mean", *(format_number(mean[name]) for name in HEADINGS))
    return table


def _replace_nan(values: dict[str, float]) -> dict[str, float | None]:
    """JSON has no NaN: what could not be measured is null."""
    return {name: None if math.isnan(value) else value for name, value in values.items()}
