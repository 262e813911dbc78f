"""`rs_denoise evaluate` on several recordings, and the comparison of two runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rs_denoise.cli import options
from rs_denoise.cli.console import make_console
from rs_denoise.cli.each_recording import FAILED, run_each
from rs_denoise.cli.summary_tables import make_markdown_tables
from rs_denoise.evaluation.batch.batch_summary import BatchSummary
from rs_denoise.evaluation.batch.ranking import Ranking, choose_ranking
from rs_denoise.evaluation.batch.run_comparison import BETTER, WORSE, RunComparison, compare_runs
from rs_denoise.evaluation.recording_evaluator import RecordingEvaluator
from rs_denoise.evaluation.report.headline import answer_questions
from rs_denoise.evaluation.summary import Summary
from rs_denoise.offline import Progress
from rs_denoise.recordings.atomic_output import write_text

# More recordings than this are counted instead of listed.
MAX_LISTED = 3
NOT_MET, NOT_EVALUATED = 1, 2


@dataclass(frozen=True)
class Outputs:
    """Files to write, or None."""

    json_file: Path | None = None
    html: Path | None = None
    markdown: Path | None = None

    def write(self, content: Mapping[str, Any], tables: Callable[[], str]) -> None:
        """Writes the JSON and Markdown files.

        Args:
            content: the results, for JSON.
            tables: makes the tables that compare the methods, as Markdown.
        """
        if self.json_file is not None:
            write_text(self.json_file, json.dumps(content, indent=1) + "\n")
        if self.markdown is not None:
            write_text(self.markdown, tables())

    def print_written(self) -> None:
        """Prints which files were written."""
        for written in (self.json_file, self.markdown, self.html):
            if written is not None:
                print(f"written: {written}")


def evaluate_batch(
    evaluator: RecordingEvaluator,
    recordings: Mapping[str, Path],
    ranking: Ranking | None,
    earlier: Mapping[str, Summary] | None,
    outputs: Outputs,
    scheduler: str | None,
) -> int:
    """Evaluates each recording, prints and writes the results.

    Args:
        evaluator: for every recording.
        recordings: by name.
        ranking: the metric to sort by; None to choose one.
        earlier: an earlier run to compare with.
        outputs: what to write.
        scheduler: address of a Dask scheduler whose workers evaluate; None: this process does.

    Returns:
        The exit code: 3 if a recording failed, otherwise that of `exit_code`.
    """
    console = make_console()
    if scheduler is None:
        evaluator.load()
    reports = _name_reports(outputs.html, recordings)
    batch = _evaluate_each(evaluator, recordings, reports, console, scheduler)
    ranking = ranking or choose_ranking(batch.recordings)
    comparison = None if earlier is None else compare_runs(earlier, batch.recordings)
    _print_batch(console, batch, ranking)
    if comparison is not None:
        print_comparison(console, comparison)
    _write_outputs(outputs, batch, ranking, comparison, reports)
    if batch.failed:
        return FAILED
    return exit_code(batch.recordings.values(), comparison)


def exit_code(summaries: Iterable[Summary], comparison: RunComparison | None = None) -> int:
    """0 if all is well, 1 if a requirement does not hold or a metric got worse.

    2 if a requirement could not be evaluated, or two runs have nothing in common.
    """
    results = [result for summary in summaries for result in summary.requirements]
    evaluated = all(result.evaluated for result in results)
    if not evaluated or (comparison is not None and not comparison.metrics):
        return NOT_EVALUATED
    worse = comparison is not None and bool(comparison.worse)
    return NOT_MET if worse or not all(result.holds for result in results) else 0


def print_comparison(console: Console, comparison: RunComparison) -> None:
    """Prints every metric of two runs, and the recordings that changed most."""
    table = Table(
        title="denoised depth, earlier run → this run, mean over pairs of recordings",
        title_justify="left", box=SIMPLE, padding=(0, 0, 0, 1), pad_edge=False,
    )  # fmt: skip
    for name in ("metric", "pairs", "earlier", "now", "difference ± spread", ""):
        table.add_column(name, justify="left" if name in ("metric", "") else "right", no_wrap=True)
    for one in comparison.metrics:
        mean = one.mean
        colour = {BETTER: "green", WORSE: "red"}.get(one.verdict, "dim")
        table.add_row(
            one.name, str(len(one.pairs)), one.metric.number(mean.before),
            one.metric.number(mean.after),
            f"{one.difference:+.{one.metric.digits}f} ± {one.metric.number(one.spread)}",
            Text(one.verdict, style=colour),
        )  # fmt: skip
    console.print(table)
    for one in comparison.metrics:
        named = one.list_recordings(WORSE)
        if named and len(one.pairs) > 1:
            shown = ", ".join(f"{name} {one.pairs[name].text}" for name in named[:MAX_LISTED])
            more = f" and {len(named) - MAX_LISTED} more" if len(named) > MAX_LISTED else ""
            console.print(f"worse: {one.name}: {shown}{more}", style="red", highlight=False)
    for name, reason in comparison.unpaired.items():
        console.print(f"not compared: {name}: {reason}", style="yellow", highlight=False)
    if not comparison.metrics:
        console.print("the two runs have no recording and metric in common", style="yellow")


def _name_reports(html: Path | None, recordings: Iterable[str]) -> dict[str, Path]:
    """The report of each recording, in a folder next to the index page."""
    if html is None:
        return {}
    folder = html.with_name(f"{html.stem}_recordings")
    folder.mkdir(exist_ok=True)
    slugs = {name: re.sub(r"[^\w.-]+", "_", name) for name in recordings}
    return {
        name: folder / f"{number:03d}_{slug}.html"
        for number, (name, slug) in enumerate(slugs.items())
    }


def _evaluate_each(
    evaluator: RecordingEvaluator,
    recordings: Mapping[str, Path],
    reports: Mapping[str, Path],
    console: Console,
    scheduler: str | None,
) -> BatchSummary:
    """Evaluates every recording; one that fails does not stop the others."""
    done: dict[str, Summary] = {}
    work = partial(_evaluate_one, evaluator, {n: path.absolute() for n, path in reports.items()})
    failed = run_each(recordings, work, done.__setitem__, console, "evaluating", scheduler)
    # A cluster may finish them in any order.
    return BatchSummary({name: done[name] for name in recordings if name in done}, failed)


def _evaluate_one(
    evaluator: RecordingEvaluator,
    reports: Mapping[str, Path],
    name: str,
    path: Path,
    progress: Progress,
) -> Summary:
    return evaluator.evaluate(path, reports.get(name), progress)


def _print_batch(console: Console, batch: BatchSummary, ranking: Ranking) -> None:
    console.print(_make_table(batch, ranking))
    mean, methods = batch.mean, batch.mean.methods
    if methods:
        answers = answer_questions(mean)[:2]
        for answer in answers:
            for sentence in answer.sentences:
                console.print(sentence, highlight=False)
    _print_remarks(console, batch.recordings)
    for name, summary in batch.recordings.items():
        for requirement in summary.requirements:
            if not requirement.holds:
                text = f"not met: {name}: {requirement.text}"
                console.print(text, style="red", highlight=False)
    met = [name for name, s in batch.recordings.items() if all(r.holds for r in s.requirements)]
    if any(summary.requirements for summary in batch.recordings.values()):
        console.print(f"requirements met by {len(met)} of {len(batch.recordings)} recordings")


def _print_remarks(console: Console, recordings: Mapping[str, Summary]) -> None:
    """Prints what had to be assumed of the recordings, and what was skipped of them."""
    of_note: dict[str, list[str]] = {}
    for name, summary in recordings.items():
        for note in summary.notes:
            of_note.setdefault(note, []).append(name)
    notes = [
        f"{', '.join(names) if len(names) <= MAX_LISTED else f'{len(names)} recordings'}: {note}"
        for note, names in of_note.items()
    ]
    skipped = {
        f"{name}: {what}": reason
        for name, summary in recordings.items()
        for what, reason in summary.skipped.items()
    }
    options.print_remarks(console, notes, skipped)


def _make_table(batch: BatchSummary, ranking: Ranking) -> Table:
    """A line for each recording, the worst first, and their mean."""
    table = Table(
        title=f"worst first by {ranking.block}.{ranking.metric.json_key}, camera → denoised",
        title_justify="left", box=SIMPLE, padding=(0, 0, 0, 1), pad_edge=False,
    )  # fmt: skip
    table.add_column("recording", overflow="fold")
    table.add_column("frames", justify="right")
    table.add_column(ranking.metric.name, justify="right", no_wrap=True)
    for name in ("change", "better?", "safe?"):
        table.add_column(name, justify="right" if name == "change" else "left")
    for name in ranking.sort(batch.recordings):
        table.add_row(name, *_make_cells(batch.recordings[name], ranking))
    if batch.recordings:
        table.add_section()
        table.add_row("mean over frames", *_make_cells(batch.mean, ranking))
    return table


def _make_cells(summary: Summary, ranking: Ranking) -> list[str]:
    change = ranking.change(summary)
    better, safe, _ = answer_questions(summary)
    return [
        str(summary.all_frames),
        "-" if change is None else change.text,
        "-" if change is None else change.percent_text,
        better.word or "-",
        safe.word or "-",
    ]


def _make_markdown(batch: BatchSummary, ranking: Ranking) -> str:
    head = ["recording", "frames", ranking.metric.name, "change", "better?", "safe?"]
    rows = [head, ["---", "---:", "---:", "---:", "---", "---"]]
    rows += [
        [n, *_make_cells(batch.recordings[n], ranking)] for n in ranking.sort(batch.recordings)
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines += [f"\nFailed: {name}: {reason}" for name, reason in batch.failed.items()]
    return (
        "\n".join(lines) + "\n\n" + (make_markdown_tables(batch.mean) if batch.recordings else "")
    )


def _write_outputs(
    outputs: Outputs,
    batch: BatchSummary,
    ranking: Ranking,
    comparison: RunComparison | None,
    reports: Mapping[str, Path],
) -> None:
    content: dict[str, Any] = batch.to_json()
    if comparison is not None:
        content["against"] = comparison.to_json()
    outputs.write(content, partial(_make_markdown, batch, ranking))
    if outputs.html is not None:
        from rs_denoise.evaluation.batch.index_page import write_index

        write_index(outputs.html, batch, ranking, comparison, reports)
    outputs.print_written()
