"""The console of the commands."""

from __future__ import annotations

from rich.console import Console


def make_console(stderr: bool = False) -> Console:
    """A console that prints text as it is; a `style` colours it.

    Rich would otherwise take parts of names for its markup, and a recording may be called `run[a]`.

    Args:
        stderr: print to stderr instead of stdout.
    """
    return Console(stderr=stderr, markup=False, emoji=False)


def count_frames(count: int) -> str:
    """The number with its noun."""
    return "1 frame" if count == 1 else f"{count} frames"
