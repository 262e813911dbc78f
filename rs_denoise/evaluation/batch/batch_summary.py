"""The evaluation of several recordings, and their mean."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rs_denoise.evaluation.metrics.blocks import ObstacleCells, TemporalNoise
from rs_denoise.evaluation.metrics.metric import DIGITS, Metric, MetricBlock
from rs_denoise.evaluation.summary import BLOCKS, MethodSummary, Summary

# Numbers of frames, which are summed instead of averaged.
COUNTS = (TemporalNoise.still_frames, ObstacleCells.frames)


class BatchError(ValueError):
    """A file of an earlier run that cannot be used; the message says what was expected."""


@dataclass(frozen=True)
class BatchSummary:
    """The results of several recordings.

    Attributes:
        recordings: by name, those that were evaluated.
        failed: by name, the reason why a recording could not be.
    """

    recordings: dict[str, Summary] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def mean(self) -> Summary:
        """The mean over the recordings, weighted by the frames that each metric is measured on."""
        return mean_summary(self.recordings.values())

    def to_json(self) -> dict:
        """Each recording as `evaluate --json` writes it for one, the mean, and what failed."""
        mean = self.mean
        return {
            "recordings": {name: summary.to_json() for name, summary in self.recordings.items()},
            "failed": self.failed,
            "mean": {
                "frames": mean.frames,
                "without_truth": mean.frames_without_truth,
                "methods": {name: method.to_json() for name, method in mean.methods.items()},
            },
        }


def mean_summary(summaries: Iterable[Summary]) -> Summary:
    """Means over all frames of the recordings.

    Each recording is weighted by the number of frames that the metric is measured on. A method is
    averaged over the recordings that have it.
    """
    summaries = list(summaries)
    names = dict.fromkeys(name for summary in summaries for name in summary.methods)
    return Summary(
        frames=sum(summary.frames for summary in summaries),
        frames_without_truth=sum(summary.frames_without_truth for summary in summaries),
        methods={name: _mean_method(summaries, name) for name in names},
    )


def read_summaries(path: Path) -> dict[str, Summary]:
    """Reads the file of `evaluate --json`, of one recording or of several; by name.

    Only what can be compared is read: methods and numbers of frames.

    Raises:
        BatchError: it is another file, or cannot be read.
    """
    expected = f"{path}: expected a file that `rs_denoise evaluate --json` wrote"
    try:
        content = json.loads(path.read_text("utf-8"))
        found = (
            content["recordings"] if "recordings" in content else {content["recording"]: content}
        )
        return {name: _read_summary(summary) for name, summary in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BatchError(f"{expected} ({type(error).__name__}: {error})") from error


def _read_summary(content: Mapping) -> Summary:
    return Summary(
        frames=int(content["frames"]),
        frames_without_truth=int(content["without_truth"]),
        methods={name: MethodSummary.from_json(m) for name, m in content["methods"].items()},
        model=str(content["model"]),
    )


def _mean_method(summaries: list[Summary], name: str) -> MethodSummary:
    """Each block's weighted mean over the recordings that have it."""
    of_method = [
        (summary, summary.methods[name]) for summary in summaries if name in summary.methods
    ]
    means: dict[str, MetricBlock] = {}
    for block_name, kind in BLOCKS.items():
        blocks = [
            (block, summary)
            for summary, method in of_method
            if (block := method.blocks().get(block_name)) is not None
        ]
        if blocks:
            means[block_name] = _mean_block(kind, blocks)
    return MethodSummary.from_blocks(means)


def _mean_block(kind: type[MetricBlock], blocks: list[tuple[MetricBlock, Summary]]) -> MetricBlock:
    """Each metric's weighted mean over the recordings in which it was measured."""
    values, counts = {}, {}
    for metric in kind.metrics():
        known = [
            (metric.of(block), summary.count_frames(block, metric))
            for block, summary in blocks
            if not math.isnan(metric.of(block))
        ]
        values[metric.field] = _combine(metric, known)
        counts[metric.field] = sum(weight for _, weight in known)
    return kind(**values, counts=counts)


def _combine(metric: Metric, known: list[tuple[float, int]]) -> float:
    total = sum(weight for _, weight in known)
    if metric in COUNTS:
        return math.nan if not known else sum(value for value, _ in known)
    return round(sum(v * weight for v, weight in known) / total, DIGITS) if total else math.nan
