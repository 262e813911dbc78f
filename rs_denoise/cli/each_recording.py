"""Runs a command on several recordings; one that fails does not stop the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import track

from rs_denoise.cli.program import TRACEBACK, describe_error
from rs_denoise.offline import Progress
from rs_denoise.recordings.frame import Frame
from rs_denoise.task_runner import ClusterRunner, Outcome

# Exit code if a recording failed.
FAILED = 3
Result = TypeVar("Result")
# Called with the name and the path of a recording.
Work = Callable[[str, Path, Progress], Result]


def run_each(
    recordings: Mapping[str, Path],
    work: Work[Result],
    on_result: Callable[[str, Result], None],
    console: Console,
    activity: str,
    scheduler: str | None,
) -> dict[str, str]:
    """Runs `work` on each recording, here or on the workers of a cluster; returns the failures.

    Args:
        recordings: by name.
        work: raises any exception if the recording fails. For a cluster it must be picklable, as
            must its results; the paths that it gets there are absolute.
        on_result: called with the name and the result of each that succeeds.
        console: where failures are printed, when they happen and at the end.
        activity: such as "denoising", for the progress bar.
        scheduler: address of a Dask scheduler; None to run one recording after the other here.

    Returns:
        The reasons of the failures, by name.
    """
    failed: dict[str, str] = {}
    if scheduler is None:
        outcomes = _run_here(recordings, work, console, activity)
    else:
        outcomes = _run_on_cluster(recordings, work, console, activity, scheduler)
    for outcome in outcomes:
        name = outcome.task
        if outcome.error is None:
            on_result(name, outcome.get())
            continue
        failed[name] = describe_error(outcome.error, "rs_denoise")
        console.print(
            f"failed: {name}: {failed[name]}", style="red", highlight=False, soft_wrap=True
        )
    if failed and len(recordings) > 1:
        console.print(f"{len(failed)} of {len(recordings)} recordings failed:", style="red")
        for name, reason in failed.items():
            console.print(f"  {name}: {reason}", style="red", highlight=False, soft_wrap=True)
    return failed


def show_progress(
    text: str, console: Console, frames: Iterable[Frame], total: int | None
) -> Iterable[Frame]:
    """Passes on the frames and draws a progress bar."""
    return track(frames, escape(text), total=total, console=console, transient=True)


def _run_here(
    recordings: Mapping[str, Path], work: Work, console: Console, activity: str
) -> Iterator[Outcome[str, Any]]:
    for name, path in recordings.items():
        try:
            progress = partial(show_progress, f"{activity} {name}", console)
            yield Outcome(name, work(name, path, progress))
        except Exception as error:
            if os.environ.get(TRACEBACK):
                raise
            yield Outcome(name, error=error)


def _run_on_cluster(
    recordings: Mapping[str, Path], work: Work, console: Console, activity: str, scheduler: str
) -> Iterator[Outcome[str, Any]]:
    tasks = [(name, path.absolute()) for name, path in recordings.items()]
    outcomes = ClusterRunner(scheduler).run(partial(_run_task, work), tasks)
    for outcome in track(outcomes, activity, total=len(tasks), console=console, transient=True):
        yield Outcome(outcome.task[0], outcome.result, outcome.error)


def _run_task(work: Work[Result], task: tuple[str, Path]) -> Result:
    name, path = task
    return work(name, path, lambda frames, _: frames)
