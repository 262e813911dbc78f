"""Two runs over the same recordings: another model or another version, compared in pairs.

A pair is a metric of denoised depth in the earlier and in the later run, on one recording. With
pairs, the difficulty of a recording cancels out. Models that publish different pixels are compared
over all that they publish, and at equal fill.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from rs_denoise.evaluation.metrics.blocks import (
    Accuracy,
    NoReference,
    ObstacleCells,
    TemporalNoise,
)
from rs_denoise.evaluation.metrics.metric import Better, Metric
from rs_denoise.evaluation.report.cards import BETTER, UNCHANGED, WORSE, MetricChange
from rs_denoise.evaluation.summary import Summary
from rs_denoise.offline import DENOISED

COMPARED: tuple[tuple[str, Metric], ...] = (
    ("published", Accuracy.fill_pct),
    ("published", Accuracy.mae_mm),
    ("published", Accuracy.bad5_pct),
    ("published", Accuracy.false_free_pct),
    ("published", Accuracy.false_obstacle_pct),
    ("published", Accuracy.flying_pct),
    ("published", Accuracy.thin_recall_pct),
    ("published", Accuracy.high_frequency_error_px),
    ("published", Accuracy.edge_band_mae_px),
    ("at_fill_97", Accuracy.mae_mm),
    ("at_fill_97", Accuracy.gross_pct),
    ("alone", NoReference.fill_pct),
    ("alone", NoReference.plane_rms_mm),
    ("alone", NoReference.flying_ir_pct),
    ("temporal", TemporalNoise.temporal_noise_pct),
    ("temporal", TemporalNoise.flicker_pct),
    ("obstacles", ObstacleCells.missed_cells),
    ("obstacles", ObstacleCells.false_obstacle_cells),
)
# From this many pairs on, a mean difference must be more than twice its standard error.
MIN_PAIRS = 3


@dataclass(frozen=True)
class PairedMetric:
    """A metric in both runs.

    Attributes:
        name: as in JSON, BLOCK.METRIC.
        metric: the metric.
        pairs: by recording, its value in the earlier and in the later run.
    """

    name: str
    metric: Metric
    pairs: Mapping[str, MetricChange]

    @property
    def mean(self) -> MetricChange:
        """The means of both runs."""
        before, after = (
            statistics.fmean(values)
            for values in zip(*((p.before, p.after) for p in self.pairs.values()), strict=True)
        )
        return MetricChange(self.metric, before, after)

    @property
    def difference(self) -> float:
        """The mean of later minus earlier."""
        return statistics.fmean(pair.after - pair.before for pair in self.pairs.values())

    @property
    def spread(self) -> float:
        """Standard deviation of the differences; NaN for a single pair."""
        apart = [pair.after - pair.before for pair in self.pairs.values()]
        return statistics.stdev(apart) if len(apart) > 1 else math.nan

    @property
    def verdict(self) -> str:
        """BETTER, WORSE or UNCHANGED, from the change of the means.

        The change must exceed 3 % and the metric's `min_change` and, with three pairs or more,
        twice the standard error of the mean difference.
        """
        change = self.mean.change
        count = len(self.pairs)
        if count >= MIN_PAIRS and abs(self.difference) <= 2 * self.spread / math.sqrt(count):
            return UNCHANGED
        return change

    def list_recordings(self, change: str) -> list[str]:
        """The recordings that got BETTER or WORSE, the most changed first."""
        named = [name for name, pair in self.pairs.items() if pair.change == change]
        return sorted(named, key=lambda n: -abs(self.pairs[n].after - self.pairs[n].before))

    def to_json(self) -> dict:
        """Means, mean difference, spread, verdict, and both values of each recording."""
        mean, spread = self.mean, self.spread
        return {
            "metric": self.name,
            "pairs": len(self.pairs),
            "before": mean.before,
            "after": mean.after,
            "difference": self.difference,
            "spread": None if math.isnan(spread) else spread,
            "verdict": self.verdict,
            "recordings": {name: [pair.before, pair.after] for name, pair in self.pairs.items()},
        }


@dataclass(frozen=True)
class RunComparison:
    """Every metric that both runs have.

    Attributes:
        metrics: in the order of `COMPARED`.
        unpaired: recordings of one run only, or measured on other frames, with the reason.
    """

    metrics: tuple[PairedMetric, ...]
    unpaired: Mapping[str, str]

    @property
    def worse(self) -> list[PairedMetric]:
        """The metrics that got worse."""
        return [metric for metric in self.metrics if metric.verdict == WORSE]

    @property
    def better(self) -> list[PairedMetric]:
        """The metrics that got better."""
        return [metric for metric in self.metrics if metric.verdict == BETTER]

    def to_json(self) -> dict:
        """The metrics, and the recordings without a partner."""
        return {
            "metrics": [metric.to_json() for metric in self.metrics],
            "unpaired": dict(self.unpaired),
        }


def compare_runs(earlier: Mapping[str, Summary], later: Mapping[str, Summary]) -> RunComparison:
    """Pairs the recordings of two runs by name.

    Args:
        earlier: the run to compare against.
        later: the run to judge.
    """
    unpaired = {name: "only in the earlier run" for name in earlier if name not in later}
    unpaired |= {name: "only in this run" for name in later if name not in earlier}
    paired = []
    for name in later:
        if name in unpaired:
            continue
        then, now = (run[name].all_frames for run in (earlier, later))
        if then == now:
            paired.append(name)
        else:
            unpaired[name] = f"measured on {then} frames then and on {now} now"
    metrics = []
    for block, metric in COMPARED:
        pairs = {}
        for name in paired:
            before, after = (_value(run[name], block, metric) for run in (earlier, later))
            if not math.isnan(before + after):
                pairs[name] = MetricChange(metric, before, after)
        if pairs and metric.better is not Better.NEITHER:
            metrics.append(PairedMetric(f"{block}.{metric.json_key}", metric, pairs))
    return RunComparison(tuple(metrics), unpaired)


def _value(summary: Summary, block: str, metric: Metric) -> float:
    method = summary.methods.get(DENOISED)
    found = None if method is None else method.blocks().get(block)
    return math.nan if found is None else metric.of(found)
