"""Sorts recordings by how much a metric got worse, the worst first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rs_denoise.evaluation.metrics.blocks import read_camera
from rs_denoise.evaluation.metrics.metric import Better, Metric
from rs_denoise.evaluation.report.cards import MetricChange
from rs_denoise.evaluation.summary import BLOCKS, Summary
from rs_denoise.offline import DENOISED, RAW

WITH_TRUTH, WITHOUT_TRUTH = "same.mae_mm", "alone.plane_rms_mm"


class RankingError(ValueError):
    """A metric that recordings cannot be sorted by."""


@dataclass(frozen=True)
class Ranking:
    """A metric to compare denoised depth with the camera's.

    Attributes:
        block: name of its block, as in JSON.
        metric: the metric.
    """

    block: str
    metric: Metric

    @classmethod
    def parse(cls, text: str) -> Ranking:
        """Reads BLOCK.METRIC, named as in JSON.

        Raises:
            RankingError: there is no such metric, or it has no better direction.
        """
        block, _, key = text.partition(".")
        blocks = [name for name in BLOCKS if name not in ("same_raw", "ranking")]
        if block not in blocks:
            raise RankingError(
                f"'{text}': expected BLOCK.METRIC with one of the blocks {', '.join(blocks)}, such "
                f"as {WITH_TRUTH}"
            )
        found = {metric.json_key: metric for metric in BLOCKS[block].metrics()}
        keys = [name for name, metric in found.items() if metric.better is not Better.NEITHER]
        if key not in keys:
            raise RankingError(f"'{text}': expected one of {', '.join(keys)} after '{block}.'")
        return cls(block, found[key])

    def change(self, summary: Summary) -> MetricChange | None:
        """The values of the camera and of denoised depth; None if one was not measured."""
        raw, denoised = (summary.methods.get(name) for name in (RAW, DENOISED))
        if raw is None or denoised is None:
            return None
        blocks, raw_blocks = denoised.blocks(), raw.blocks()
        after = blocks.get(self.block)
        # Raw depth has no block "same" and none at equal fill.
        own = blocks.get("same_raw") if self.block == "same" else raw_blocks.get(self.block)
        before = own or raw_blocks.get("published")
        if before is None or after is None:
            return None
        values = read_camera(self.metric, before, after), self.metric.of(after)
        return None if math.isnan(sum(values)) else MetricChange(self.metric, *values)

    def sort(self, summaries: Mapping[str, Summary]) -> list[str]:
        """Names of the recordings, the one that got worst first, those not measured last."""
        return sorted(summaries, key=lambda name: (-self._worsening(summaries[name]), name))

    def _worsening(self, summary: Summary) -> float:
        """How much worse it is, as a fraction of the camera's value."""
        change = self.change(summary)
        if change is None:
            return -math.inf
        apart = change.after - change.before
        if self.metric.better is Better.HIGHER:
            apart = -apart
        if change.before:
            return apart / abs(change.before)
        return math.copysign(math.inf, apart) if apart > 0 else 0.0


def choose_ranking(summaries: Mapping[str, Summary]) -> Ranking:
    """The mean error over the same pixels or, if no recording has ground truth, flatness."""
    has_truth = any(summary.frames for summary in summaries.values())
    return Ranking.parse(WITH_TRUTH if has_truth else WITHOUT_TRUTH)
