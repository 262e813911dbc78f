"""Runs a command on several recordings; one that fails does not stop the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from rs_denoise.cli.program import TRACEBACK, describe_error

# Exit code if a recording failed.
FAILED = 3


def run_each(
    recordings: Mapping[str, Path], run: Callable[[str, Path], None], console: Console
) -> dict[str, str]:
    """Runs `run` with the name and path of each recording; gives those that failed.

    Args:
        recordings: by name.
        run: raises an exception of any kind if the recording fails.
        console: where failures are named, when they happen and at the end.

    Returns:
        The reasons of the failures, by name.
    """
    failed: dict[str, str] = {}
    for name, path in recordings.items():
        try:
            run(name, path)
        except Exception as error:
            if os.environ.get(TRACEBACK):
                raise
            failed[name] = describe_error(error, "rs_denoise")
            console.print(f"[red]failed: {escape(name)}: {escape(failed[name])}", highlight=False)
    if failed and len(recordings) > 1:
        console.print(f"[red]{len(failed)} of {len(recordings)} recordings failed:")
        for name, reason in failed.items():
            console.print(f"[red]  {escape(name)}: {escape(reason)}", highlight=False)
    return failed
