"""One HTML file for several recordings: the distribution of each metric, and links to reports.

It needs no script and loads nothing from the network.
"""

from __future__ import annotations

import math
import os
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from rs_denoise.evaluation.batch.batch_summary import BatchSummary
from rs_denoise.evaluation.batch.ranking import Ranking
from rs_denoise.evaluation.batch.run_comparison import RunComparison
from rs_denoise.evaluation.report.cards import (
    ACCURACY,
    BETTER,
    COVERAGE,
    COVERAGE_NO_REFERENCE,
    DANGERS,
    HINTS,
    SMOOTHNESS,
    WORSE,
    MetricChange,
    make_cards,
)
from rs_denoise.evaluation.report.headline import Answer, answer_questions
from rs_denoise.evaluation.report.report import describe_origin, make_template, read_asset
from rs_denoise.evaluation.summary import Summary
from rs_denoise.recordings.atomic_output import write_text

# The charts' axis: changes in percent. Recordings beyond it are drawn at its end.
MAX_PERCENT = 100.0
TICKS = (-100, -50, -25, -10, 0, 10, 25, 50, 100)
# Recordings this close to each other on the axis, in percent of its width, are stacked.
STACK_WIDTH = 1.2
# From the page's style: the diameter of a dot, and the height of a chart above the lowest dots.
DOT_REM, HEIGHT_REM = 0.68, 4.8
# In the page's order.
SUBJECTS = ACCURACY + DANGERS + SMOOTHNESS + HINTS + COVERAGE


@dataclass(frozen=True)
class Dot:
    """A recording in a chart.

    Attributes:
        at: percent of the axis, from the left.
        level: from 0; recordings at the same place lie above each other.
        name, change: the recording, and its metric before and after.
    """

    at: float
    level: int
    name: str
    change: MetricChange


@dataclass(frozen=True)
class Distribution:
    """The changes of a headline metric in all recordings that have it.

    Attributes:
        title, meaning: its name, and what it means for a robot.
        over: the set of pixels, "" if that is obvious.
        dots: the recordings.
        median: the median change in percent, as text.
        better, worse: numbers of recordings.
        level_rem: distance of stacked dots; they overlap if the chart is too low.
    """

    title: str
    meaning: str
    over: str
    dots: tuple[Dot, ...]
    median: str
    better: int
    worse: int
    level_rem: float


@dataclass(frozen=True)
class Line:
    """A recording in the table.

    Attributes:
        name, href: its name, and where its report is.
        frames: how many were measured.
        ranked: the metric that the table is sorted by; None if it was not measured.
        changes: headline metrics by title.
        answers: is it better, is it safe.
        broken: the requirements that are not met.
    """

    name: str
    href: str
    frames: int
    ranked: MetricChange | None
    changes: Mapping[str, MetricChange]
    answers: tuple[Answer, Answer]
    broken: tuple[str, ...]


def write_index(
    path: Path,
    batch: BatchSummary,
    ranking: Ranking,
    comparison: RunComparison | None,
    reports: Mapping[str, Path],
) -> None:
    """Writes the page.

    Args:
        path: of the HTML file; overwritten.
        batch: what was measured.
        ranking: the table's order.
        comparison: with an earlier run, or None.
        reports: each recording's report, in a folder next to `path`.

    Raises:
        OSError: the file cannot be written.
    """
    files = {name: f"{file.parent.name}/{file.name}" for name, file in reports.items()}
    links = {name: quote(os.fsencode(file)) for name, file in files.items()}
    lines = [
        _make_line(n, batch.recordings[n], ranking, links) for n in ranking.sort(batch.recordings)
    ]
    distributions = list_distributions(batch.recordings)
    mean = batch.mean
    page = make_template(read_asset("index.html", __package__)).render(
        batch=batch,
        mean=mean,
        models=sorted({summary.model for summary in batch.recordings.values()}),
        made=describe_origin(),
        questions=_count_answers(lines, answer_questions(mean)[:2]) if lines else [],
        requirements=max((len(s.requirements) for s in batch.recordings.values()), default=0),
        lines=lines,
        links=links,
        ranking=ranking,
        distributions=distributions,
        ticks=[
            (_to_axis_position(percent), f"{percent:+d}" if percent else "0") for percent in TICKS
        ],
        comparison=comparison,
        style=Markup(read_asset("style.css")),
    )
    write_text(path, page)


def list_distributions(recordings: Mapping[str, Summary]) -> list[Distribution]:
    """The changes of every headline metric that any recording has."""
    changes: dict[str, dict[str, MetricChange]] = {}
    meanings: dict[str, str] = {}
    for name, summary in recordings.items():
        for title, (meaning, change) in _headlines(summary).items():
            changes.setdefault(title, {})[name] = change
            meanings[title] = meaning
    known = [subject.title or subject.metric.name for subject in SUBJECTS]
    titles = sorted(changes, key=known.index)
    return [_distribute(title, meanings[title], changes[title]) for title in titles]


def _headlines(summary: Summary) -> dict[str, tuple[str, MetricChange]]:
    """By title: the meaning of each headline metric that was measured, and its change."""
    hints = () if summary.frames else HINTS
    coverage = COVERAGE if summary.frames else COVERAGE_NO_REFERENCE
    cards = make_cards(summary, ACCURACY + DANGERS + SMOOTHNESS + hints + coverage)
    return {card.title: (card.meaning, card.changes[0]) for card in cards}


def _distribute(title: str, meaning: str, pairs: Mapping[str, MetricChange]) -> Distribution:
    percents = {name: _to_percent(change) for name, change in pairs.items()}
    levels: Counter[int] = Counter()
    dots = []
    for name in sorted(pairs, key=lambda n: percents[n]):
        at = _to_axis_position(percents[name])
        stack = round(at / STACK_WIDTH)
        dots.append(Dot(at, levels[stack], name, pairs[name]))
        levels[stack] += 1
    middle = statistics.median(percents.values())
    words = Counter(change.change for change in pairs.values())
    over = next(iter(pairs.values())).over
    median = f"{middle:+.0f} %" if abs(middle) >= 0.5 else "0 %"
    return Distribution(
        title, meaning, over, tuple(dots), median, words[BETTER], words[WORSE],
        level_rem=min(DOT_REM, HEIGHT_REM / max(levels.values())),
    )  # fmt: skip


def _to_percent(change: MetricChange) -> float:
    """The change in percent; if the value was 0, this is 0 or the end of the axis."""
    if change.ratio is not None:
        return 100 * (change.ratio - 1)
    return MAX_PERCENT if change.after > change.before else 0.0


def _to_axis_position(percent: float) -> float:
    """Position of a change on the axis, 0 to 100; a square-root scale separates small changes."""
    part = min(abs(percent) / MAX_PERCENT, 1.0)
    return round(50 + math.copysign(50 * math.sqrt(part), percent), 2)


def _make_line(name: str, summary: Summary, ranking: Ranking, links: Mapping[str, str]) -> Line:
    better, safe, _ = answer_questions(summary)
    return Line(
        name=name,
        href=links.get(name, ""),
        frames=summary.all_frames,
        ranked=ranking.change(summary),
        changes={title: change for title, (_, change) in _headlines(summary).items()},
        answers=(better, safe),
        broken=tuple(result.text for result in summary.requirements if not result.holds),
    )


def _count_answers(lines: list[Line], answers: tuple[Answer, ...]) -> list[tuple[Answer, str]]:
    """Each question's answer over all frames, and the number of recordings per answer."""
    counted = []
    for index, answer in enumerate(answers):
        words = Counter(line.answers[index].word or "unknown" for line in lines)
        counted.append(
            (answer, ", ".join(f"{count} {word}" for word, count in words.most_common()))
        )
    return counted
