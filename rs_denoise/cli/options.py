"""Options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rs_denoise.camera_info import MAX_SIDE_PX
from rs_denoise.gate import Gate
from rs_denoise.shipped_models import DEFAULT_MODEL, model_file, shipped_names

_GATE = Gate()


def _check_model(path: Path) -> Path:
    """Rejects what is neither a file nor a shipped model, before PyTorch is imported."""
    if not model_file(path).is_file():
        raise typer.BadParameter(
            f"{path}: neither a model file nor a shipped model; the shipped ones are "
            f"{', '.join(shipped_names())}"
        )
    return path


def check_models(paths: list[Path] | None) -> list[Path] | None:
    """Checks the values of an option that may be repeated, like those of --model.

    Raises:
        typer.BadParameter: one is neither a file nor the name of a shipped model.
    """
    return paths and [_check_model(path) for path in paths]


MODEL_HELP = "Model file, or the name of a shipped model"
ModelFile = Annotated[
    Path,
    typer.Option(
        "--model",
        metavar="MODEL",
        callback=_check_model,
        help=f"{MODEL_HELP}.",
        show_default="unet",
    ),
]
Device = Annotated[
    str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1, openvino, openvino:GPU, ...")
]
MinConfidence = Annotated[
    float, typer.Option(min=0, max=1, metavar="P", help="Minimum confidence to publish a pixel.")
]
FillConfidence = Annotated[
    float,
    typer.Option(
        min=0, max=1.01, metavar="P", help="Minimum confidence to fill a hole; 1.01: never fill."
    ),
]
FOLDERS = "a folder of frames (NAME/depth.png or res-NAME.png) or of .raw images"
RecordingPath = Annotated[
    Path,
    typer.Argument(
        metavar="RECORDING",
        help=f"A bag (ROS 2, ROS 1 or RealSense SDK), {FOLDERS}, or a .raw image.",
    ),
]
RecordingPaths = Annotated[
    list[Path],
    typer.Argument(
        metavar="RECORDING...",
        help=f"A bag (ROS 2, ROS 1 or RealSense SDK), {FOLDERS}, or a .raw image; also several, or "
        "a folder of several.",
    ),
]

# Of a Dask scheduler: with a port, or inside this process.
ADDRESS = r"(\w+://)?[^/]+:\d+|inproc://.+"


def _check_scheduler(address: str | None) -> str | None:
    """Rejects what is not an address, with which Dask hangs for minutes."""
    if address is not None and not re.fullmatch(ADDRESS, address):
        raise typer.BadParameter(f"expected an address such as tcp://host:8786, got '{address}'")
    return address


Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        callback=_check_scheduler,
        help="Run on the workers of the Dask scheduler at this address, such as tcp://host:8786. "
        "Paths must be on storage that they share.",
        show_default="this machine",
    ),
]
FrameName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Name of the frame, or its index from 0.", show_default="the first"
    ),
]
DEFAULT_MODEL_FILE = DEFAULT_MODEL
# The smallest side that --size accepts.
MIN_SIDE_PX = 64
# More skipped frames than this are counted instead of listed.
MAX_LISTED = 5
DEFAULT_MIN_CONFIDENCE = _GATE.min_confidence
DEFAULT_FILL_CONFIDENCE = _GATE.fill_confidence


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Parses WIDTHxHEIGHT.

    Raises:
        typer.BadParameter: the text has another form, or a side is too small or too large.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if min(size) < MIN_SIDE_PX or max(size) > MAX_SIDE_PX:
        raise typer.BadParameter(
            f"expected WIDTHxHEIGHT from {MIN_SIDE_PX}x{MIN_SIDE_PX} to "
            f"{MAX_SIDE_PX}x{MAX_SIDE_PX}, got '{text}'"
        )
    return size


def check_out(*paths: Path | None) -> None:
    """Checks before any work that files can be written; None is skipped.

    Raises:
        typer.BadParameter: it is a folder itself, its folder is missing or read-only, or two paths
            are the same file.
    """
    given = [path for path in paths if path is not None]
    for number, path in enumerate(given):
        # A device, such as /dev/stdout, may be given more than once.
        is_file = path.is_file() or not path.exists()
        if is_file and path.absolute() in [other.absolute() for other in given[:number]]:
            raise typer.BadParameter(f"{path}: is given for two outputs; name two files")
        if path.is_dir():
            raise typer.BadParameter(f"{path}: is a folder; name a file")
        folder = path.absolute().parent
        if not folder.is_dir():
            raise typer.BadParameter(f"{path}: there is no folder {folder}; create it first")
        if not os.access(folder, os.W_OK):
            raise typer.BadParameter(f"{path}: {folder} is read-only; write elsewhere")


def check_out_folder(path: Path) -> None:
    """Checks before any work that a folder exists and can be written to, or can be made.

    Raises:
        typer.BadParameter: a file is in its place, or it or the folder to make it in is read-only.
    """
    path = path.absolute()
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    if not existing.is_dir():
        raise typer.BadParameter(f"{existing}: is a file, not a folder; name another")
    if not os.access(existing, os.W_OK):
        raise typer.BadParameter(f"{existing}: is read-only; write elsewhere")


def print_remarks(console: Console, notes: Iterable[str], skipped: Mapping[str, str]) -> None:
    """Prints what had to be assumed of a recording, and what was skipped of it.

    Args:
        console: to print to.
        notes, skipped: as of `Recording`; items that were skipped for one reason are listed, or
            counted if there are many.
    """
    for note in notes:
        console.print(note, style="yellow", highlight=False)
    names: dict[str, list[str]] = {}
    for name, reason in skipped.items():
        names.setdefault(reason, []).append(name)
    for reason, group in names.items():
        listed = ", ".join(group) if len(group) <= MAX_LISTED else f"{len(group)} frames"
        console.print(f"skipped {listed}: {reason}", style="yellow", highlight=False)
