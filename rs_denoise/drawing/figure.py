"""Figures of matplotlib, without a window, and their files.

matplotlib is imported where it is used, so that everything else runs without it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = (".png", ".pdf", ".svg")
DOTS_PER_INCH = 110
# Light lines on a dark outline show on any picture.
LINE_COLOUR, OUTLINE_COLOUR = "#ffffff", "#000000"


class ChartError(RuntimeError):
    """A chart that cannot be drawn or written; the message says what to do."""


def check_suffix(path: Path | None, known: tuple[str, ...]) -> None:
    """Checks before any work that the file name has a known suffix.

    Raises:
        ChartError: the suffix is another one.
    """
    if path is not None and path.suffix.lower() not in known:
        raise ChartError(f"{path}: its name must end in {' or '.join(known)}")


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """Makes a figure without a window.

    Raises:
        ChartError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ChartError(f"charts need 'pip install matplotlib' ({error})") from error
    return Figure((width_inches, height_inches), dpi=DOTS_PER_INCH, layout="constrained")


def write_figure(figure: Figure, path: Path) -> None:
    """Writes PNG, PDF or SVG, by the suffix of the name.

    Raises:
        ChartError: the suffix is another one.
        OSError: the file cannot be written.
    """
    check_suffix(path, PICTURES)
    figure.savefig(path)
