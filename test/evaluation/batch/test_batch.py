"""Means, ranking and run comparison of several recordings, with values known in advance."""

import json
import math
from dataclasses import replace

import pytest

from rs_denoise.evaluation.batch.batch_summary import (
    BatchError,
    BatchSummary,
    mean_summary,
    read_summaries,
)
from rs_denoise.evaluation.batch.index_page import list_distributions
from rs_denoise.evaluation.batch.ranking import Ranking, RankingError, choose_ranking
from rs_denoise.evaluation.batch.run_comparison import compare_runs
from rs_denoise.evaluation.metrics.blocks import (
    Accuracy,
    NoReference,
    ObstacleCells,
    TemporalNoise,
)
from rs_denoise.evaluation.report.tables import make_tables
from rs_denoise.evaluation.summary import MethodSummary, Summary


def summary(before=10.0, after=8.0, frames=10, without=0, **changes):
    """A recording whose mean error falls from `before` to `after`, and so does its flatness."""
    raw = MethodSummary(NoReference(plane_rms_mm=before))
    denoised = MethodSummary(NoReference(plane_rms_mm=after))
    if frames:
        raw = replace(raw, published=Accuracy(mae_mm=before, fill_pct=90, false_free_pct=1.0))
        denoised = replace(
            denoised,
            published=Accuracy(mae_mm=after, fill_pct=80, false_free_pct=1.0),
            same=Accuracy(mae_mm=after),
            same_raw=Accuracy(mae_mm=before),
        )
    return Summary(
        frames, without, methods={"raw": raw, "denoised": denoised}, model="m", **changes
    )


def test_the_mean_weighs_each_block_with_the_frames_that_it_is_measured_on():
    one, other = summary(10, 8, frames=30, without=10), summary(20, 30, frames=10, without=50)
    still = replace(
        one.methods["raw"], temporal=TemporalNoise(temporal_noise_pct=2, still_frames=20)
    )
    moving = replace(
        other.methods["raw"],
        temporal=TemporalNoise(temporal_noise_pct=math.nan, still_frames=0),
        obstacles=ObstacleCells(missed_cells=3, frames=4),
    )
    one.methods["raw"], other.methods["raw"] = still, moving
    mean = mean_summary([one, other])
    assert (mean.frames, mean.frames_without_truth) == (40, 60)
    raw, denoised = mean.methods["raw"], mean.methods["denoised"]
    assert raw.published.mae_mm == (30 * 10 + 10 * 20) / 40
    assert denoised.same.mae_mm == (30 * 8 + 10 * 30) / 40
    assert raw.no_reference.plane_rms_mm == (40 * 10 + 60 * 20) / 100
    assert raw.temporal.temporal_noise_pct == 2 and raw.temporal.still_frames == 20
    assert raw.obstacles.missed_cells == 3 and raw.obstacles.frames == 4
    assert denoised.obstacles is None


def test_the_mean_weighs_a_metric_with_the_frames_that_it_was_measured_on():
    """A thin object in one frame of a long recording, and in all of a short one."""
    one, other = (
        Summary(
            frames,
            methods={
                "raw": MethodSummary(
                    published=Accuracy(
                        mae_mm=mae, thin_recall_pct=thin,
                        counts={"mae_mm": frames, "thin_recall_pct": with_thin},
                    )
                )
            },
        )
        for frames, with_thin, mae, thin in ((100, 1, 10, 20), (50, 4, 40, 80))
    )  # fmt: skip
    mean = mean_summary([one, other])
    published = mean.methods["raw"].published
    assert (published.mae_mm, published.thin_recall_pct) == (20, 68)
    assert mean.count_frames(published, Accuracy.thin_recall_pct) == 5


def test_a_method_that_only_some_recordings_have_counts_there():
    one, other = summary(10, 8, frames=30), summary(20, 30, frames=10)
    one.methods["denoised_left_only"] = one.methods["denoised"]
    assert mean_summary([one, other]).methods["denoised_left_only"].same.mae_mm == 8


def test_a_summary_comes_back_from_its_json(tmp_path):
    path = tmp_path / "o.json"
    for written in (summary(recording="a"), summary(frames=0, without=3, recording="a")):
        path.write_text(json.dumps(written.to_json()))
        found = read_summaries(path)["a"]
        # NaN is not equal to itself; JSON has null for it.
        assert found.to_json()["methods"] == written.to_json()["methods"]
        assert (found.frames, found.frames_without_truth) == (
            written.frames, written.frames_without_truth,
        )  # fmt: skip
    batch = BatchSummary({"x": summary(), "y": summary(1, 2)}, {"z": "broken"})
    path.write_text(json.dumps(batch.to_json()))
    assert list(read_summaries(path)) == ["x", "y"]
    assert json.loads(path.read_text())["mean"]["methods"]["raw"]["published"]["mae_mm"] == 5.5
    for text in ("{}", "[1]", "x", '{"recordings": {"a": {"frames": 1}}}'):
        path.write_text(text)
        with pytest.raises(BatchError, match="expected a file that `rs_denoise evaluate --json`"):
            read_summaries(path)
    missing = tmp_path / "missing.json"
    with pytest.raises(BatchError, match=r"missing\.json: expected a file that `rs_denoise"):
        read_summaries(missing)


def test_the_recording_that_got_worst_comes_first():
    found = {
        "better": summary(10, 5), "worst": summary(1, 2), "worse": summary(100, 120),
        "without truth": summary(frames=0, without=5),
    }  # fmt: skip
    ranking = choose_ranking(found)
    assert (ranking.block, ranking.metric.json_key) == ("same", "mae_mm")
    assert ranking.sort(found) == ["worst", "worse", "better", "without truth"]
    assert ranking.change(found["worse"]).text == "100.0 → 120.0 mm"
    # Of a metric that is better when higher, the one that falls most; equal ones by name.
    assert Ranking.parse("published.fill_pct").sort({"b": summary(), "a": summary()}) == ["a", "b"]
    only = {"a": summary(frames=0, without=5)}
    assert choose_ranking(only).metric is NoReference.plane_rms_mm


def test_temporal_noise_of_the_same_pixels_is_compared_with_the_cameras_there():
    raw, denoised = (
        MethodSummary(
            temporal=TemporalNoise(
                temporal_noise_same_pct=same, temporal_noise_same_raw_pct=same_raw, still_frames=40
            )
        )
        for same, same_raw in ((3.0, 3.0), (1.0, 0.5))
    )
    found = Summary(frames=40, methods={"raw": raw, "denoised": denoised})
    change = Ranking.parse("temporal.temporal_noise_same_pct").change(found)
    assert (change.before, change.after, change.change) == (0.5, 1.0, "worse")
    (table,) = [table for table in make_tables(found) if table.title == "Over time"]
    cells = next(c for m, c in table.rows if m is TemporalNoise.temporal_noise_same_pct)
    assert [cell.change for cell in cells] == ["", "worse"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("mae_mm", "expected BLOCK.METRIC"), ("same.mae", "expected one of fill_pct"),
     ("alone.dropped_pct", "expected one of"), ("same_raw.mae_mm", "expected BLOCK")],
)  # fmt: skip
def test_what_cannot_be_sorted_by_is_said(text, said):
    with pytest.raises(RankingError, match=said):
        Ranking.parse(text)


def paired(before, after):
    """Two runs whose denoised mean error over all published pixels has these values."""
    runs = [
        {f"r{k}": summary(50, value) for k, value in enumerate(values)}
        for values in (before, after)
    ]
    comparison = compare_runs(*runs)
    return comparison, next(m for m in comparison.metrics if m.name == "published.mae_mm")


def test_pairs_tell_a_small_steady_change_from_a_large_spread():
    comparison, mae = paired([10, 20, 40], [11, 22, 43])
    assert mae.difference == 2 and mae.spread == 1 and len(mae.pairs) == 3
    assert (mae.mean.before, mae.mean.after) == (pytest.approx(70 / 3), pytest.approx(76 / 3))
    # 2 mm is 8.6 % of 23.3 mm, and more than twice the standard error, 1 / sqrt(3).
    assert mae.verdict == "worse" and mae in comparison.worse and not comparison.better[:0]
    assert mae.list_recordings("worse") == ["r2", "r1", "r0"]
    _, noisy = paired([10, 20, 40], [20, 5, 52])
    assert noisy.difference == pytest.approx(7 / 3) and noisy.verdict == "unchanged"
    assert noisy.list_recordings("better") == ["r1"]


def test_a_change_below_3_percent_is_none_and_two_pairs_are_judged_by_their_mean():
    assert paired([10, 20, 40], [10.1, 20.2, 40.4])[1].verdict == "unchanged"
    assert paired([10, 20], [9, 17])[1].verdict == "better"
    one = paired([10], [12])[1]
    assert one.verdict == "worse" and math.isnan(one.spread)
    assert one.to_json()["spread"] is None and one.to_json()["recordings"] == {"r0": [10, 12]}


def test_recordings_without_a_partner_and_with_other_frames_are_not_compared():
    earlier = {"a": summary(), "gone": summary(), "cut": summary(frames=5)}
    comparison = compare_runs(earlier, {"a": summary(), "new": summary(), "cut": summary(frames=9)})
    assert dict(comparison.unpaired) == {
        "gone": "only in the earlier run", "new": "only in this run",
        "cut": "measured on 5 frames then and on 9 now",
    }  # fmt: skip
    assert all(set(metric.pairs) == {"a"} for metric in comparison.metrics)
    assert not comparison.worse and not comparison.better


def test_distributions_place_every_recording_by_its_change():
    found = list_distributions(
        {"half": summary(10, 5), "same": summary(10, 10), "as same": summary(7, 7),
         "triple": summary(10, 30), "free": summary(frames=0, without=9)}
    )  # fmt: skip
    mean_error = next(one for one in found if one.title == "Mean error")
    assert mean_error.over == "same pixels" and mean_error.median == "0 %"
    assert (mean_error.better, mean_error.worse) == (1, 1)
    places = {dot.name: (dot.at, dot.level) for dot in mean_error.dots}
    # The square root of a change: -50 % is 0.707 of the way to the left end; +200 % is at the end.
    assert places == {
        "half": (pytest.approx(14.64, abs=0.01), 0), "same": (50, 0), "as same": (50, 1),
        "triple": (100, 0),
    }  # fmt: skip
    flat = next(one for one in found if one.title == "Plane-fit RMS")
    assert {dot.name for dot in flat.dots} == {"half", "same", "as same", "triple", "free"}
