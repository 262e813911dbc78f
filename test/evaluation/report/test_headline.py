"""The sentences that a report derives from its metrics."""

from dataclasses import replace

import pytest

from rs_denoise.evaluation.metrics.blocks import (
    Accuracy,
    NoReference,
    ObstacleCells,
    TemporalNoise,
)
from rs_denoise.evaluation.report.cards import DANGERS, NO_BREAK, TOO_FEW, MetricChange, make_cards
from rs_denoise.evaluation.report.headline import (
    answer_questions,
    describe_right_infrared,
    list_warnings,
)
from rs_denoise.evaluation.report.tables import make_tables
from rs_denoise.evaluation.summary import MethodSummary, Summary

NOTHING = Accuracy()


def answers(same_raw=NOTHING, same=NOTHING, raw=NOTHING, published=NOTHING):
    denoised = MethodSummary(published=published, same=same, same_raw=same_raw)
    return answer_questions(
        Summary(methods={"raw": MethodSummary(published=raw), "denoised": denoised})
    )


@pytest.mark.parametrize(
    "before, after, word, start",
    [
        (20.0, 10.0, "better", "Better:"),
        (10.0, 20.0, "worse", "Worse:"),
        (20.0, 19.8, "unchanged", "No better:"),
    ],
)
def test_accuracy_is_judged_over_the_same_pixels(before, after, word, start):
    # Over all published pixels it is the opposite.
    before_mm, after_mm = Accuracy(mae_mm=before), Accuracy(mae_mm=after)
    better = answers(before_mm, after_mm, after_mm, before_mm)[0]
    assert better.word == word and better.sentences[0].startswith(start)
    percent = round(100 * (after / before - 1))
    assert f"mean error ({percent:+d}{NO_BREAK}%)" in better.sentences[1]


@pytest.mark.parametrize(
    "has_planes, still_frames, sentence",
    [
        (True, 30, "Denoised depth is smoother and steadier."),
        (True, float("nan"), "Denoised depth is smoother."),
        (False, 30, "Denoised depth is steadier."),
    ],
)
def test_without_truth_it_only_speaks_of_what_was_measured(has_planes, still_frames, sentence):
    def method(size):
        planes = NoReference(plane_rms_mm=size) if has_planes else NoReference()
        noise = TemporalNoise(
            temporal_noise_same_pct=size, temporal_noise_same_raw_pct=2.0, still_frames=still_frames
        )
        still = still_frames > 0
        return MethodSummary(no_reference=planes, temporal=noise if still else TemporalNoise())

    summary = Summary(
        frames_without_truth=50, methods={"raw": method(2.0), "denoised": method(1.0)}
    )
    assert answer_questions(summary)[0].sentences[0] == sentence
    assert answer_questions(Summary())[0].word == ""


def test_some_errors_smaller_and_some_larger_is_mixed():
    before = Accuracy(mae_mm=20.0, high_frequency_error_px=0.1)
    after = Accuracy(mae_mm=10.0, high_frequency_error_px=0.2)
    better = answers(before, after)[0]
    assert better.word == "mixed"
    assert (
        better.sentences[1]
        == f"Improved: mean error (-50{NO_BREAK}%). Worse: high-frequency error (+100{NO_BREAK}%)."
    )


@pytest.mark.parametrize(
    "after_px, start", [(0.05, "Better in part:"), (0.2, "Worse in part:"), (0.1, "No better:")]
)
def test_only_a_change_of_the_mean_error_is_nearer_to_the_truth_or_farther(after_px, start):
    before = Accuracy(mae_mm=20.0, high_frequency_error_px=0.1)
    after = replace(before, high_frequency_error_px=after_px)
    assert answers(before, after)[0].sentences[0].startswith(start)


def test_a_danger_that_grows_over_the_same_pixels_is_worse_though_less_is_published():
    raw, published = Accuracy(false_free_pct=0.6), Accuracy(false_free_pct=0.3)
    before, after = Accuracy(false_free_pct=0.4), Accuracy(false_free_pct=0.5)
    safe = answers(before, after, raw, published)[1]
    assert safe.word == ""  # without accuracy there was no ground truth
    before, after = replace(before, mae_mm=1.0), replace(after, mae_mm=1.0)
    safe = answers(before, after, raw, published)[1]
    assert (
        safe.word == "worse" and safe.sentences[1] == f"Worse: false free space (+25{NO_BREAK}%)."
    )


def test_a_dropped_thin_object_is_missed():
    same = Accuracy(mae_mm=1.0)
    raw, published = Accuracy(thin_recall_pct=80.0), Accuracy(thin_recall_pct=70.0)
    safe = answers(same, same, raw, published)[1]
    (thin,) = safe.cards
    assert safe.word == "worse"
    assert (thin.title, thin.changes[0].text) == ("Thin objects missed", "20.0 → 30.0 %")


def test_a_change_too_small_to_matter_is_none_whatever_its_ratio():
    before, after = (Accuracy(false_free_pct=pct, mae_mm=1) for pct in (0.001, 0.003))
    assert answers(before, after, before, after)[1].word == "unchanged"


def test_a_small_change_of_few_frames_may_be_chance():
    before = Accuracy(mae_mm=20.0)
    methods = {"raw": MethodSummary(published=before)}
    for frames, after, word, verdict in (
        (9, 18.4, TOO_FEW, f"-8{NO_BREAK}%, too few frames to tell"),
        (10, 18.4, "better", f"-8{NO_BREAK}%, better"),
        (9, 17.0, "better", f"-15{NO_BREAK}%, better"),
        (9, 25.0, "worse", f"+25{NO_BREAK}%, worse"),
        (9, 20.0, "unchanged", f"0{NO_BREAK}%, unchanged"),
        (10, 20.05, "unchanged", f"0{NO_BREAK}%, unchanged"),
    ):
        denoised = MethodSummary(same=Accuracy(mae_mm=after), same_raw=before)
        summary = Summary(frames=frames, methods=methods | {"denoised": denoised})
        better = answer_questions(summary)[0]
        assert (better.word, better.cards[0].changes[0].verdict) == (word, verdict)


def test_a_change_that_is_none_shows_no_percentage_that_contradicts():
    change = MetricChange(ObstacleCells.false_obstacle_cells, 0.25, 1.0)
    assert change.verdict == "unchanged"
    assert MetricChange(Accuracy.mae_mm, 0.0, 5.0).verdict == "worse"


def test_few_frames_of_obstacles_count_by_themselves():
    raw, denoised = (
        MethodSummary(obstacles=ObstacleCells(missed_cells=cells, frames=3)) for cells in (100, 92)
    )
    methods = {"raw": raw, "denoised": denoised}
    tables = {table.title: table for table in make_tables(Summary(frames=50, methods=methods))}
    ((metric, (_, cell)),) = [r for r in tables["Obstacles"].rows if r[0].field == "missed_cells"]
    assert (metric.name, cell.percent, cell.change) == ("Missed cells", f"-8{NO_BREAK}%", TOO_FEW)


def test_few_frames_with_ground_truth_count_for_missed_cells():
    raw, denoised = (
        MethodSummary(
            obstacles=ObstacleCells(missed_cells=c, frames=50, counts={"missed_cells": 3})
        )
        for c in (100, 92)
    )
    summary = Summary(3, 47, methods={"raw": raw, "denoised": denoised})
    (missed,) = [c for c in make_cards(summary, DANGERS) if c.title == "Missed obstacle cells"]
    assert missed.change == TOO_FEW
    tables = {table.title: table for table in make_tables(summary)}
    assert [cells[1].change for metric, cells in tables["Obstacles"].rows
            if metric.field == "missed_cells"] == [TOO_FEW]  # fmt: skip


def test_without_ground_truth_nothing_is_said_of_accuracy():
    raw = NoReference(plane_rms_mm=8.0, flying_ir_pct=2.0)
    denoised = NoReference(plane_rms_mm=4.0, flying_ir_pct=1.0, dropped_pct=3.0)
    methods = {"raw": MethodSummary(raw), "denoised": MethodSummary(denoised)}
    better, safe, cost = answer_questions(Summary(methods=methods))
    for answer in (better, safe):
        assert answer.word == "better"
        assert "unknown without ground truth" in answer.sentences[1]
    assert [card.title for card in better.cards] == ["Plane-fit RMS"]
    assert [(card.title, card.value) for card in cost.cards] == [("Dropped", "3.00 %")]


def test_the_right_infrared_is_explained_where_it_is_used():
    with_it, without = (
        MethodSummary(at_fill_97=Accuracy(mae_mm=mae, gross_pct=0.1)) for mae in (18.0, 20.0)
    )
    methods = {"raw": MethodSummary(), "denoised": with_it}
    assert describe_right_infrared(Summary(methods=methods)) == ""
    text = describe_right_infrared(Summary(methods=methods | {"denoised_left_only": without}))
    # The edge band was not measured.
    assert text.endswith(
        f"mean error 20.0 → 18.0 mm (-10{NO_BREAK}%), gross errors 0.10 → 0.10 % (0{NO_BREAK}%)."
    )


@pytest.mark.parametrize(
    "without, sentence",
    [
        (1, "1 frame has no ground truth and does not count for accuracy and safety."),
        (2, "2 frames have no ground truth and do not count for accuracy and safety."),
    ],
)
def test_frames_without_truth_are_mentioned(without, sentence):
    assert list_warnings(Summary(frames=30, frames_without_truth=without)) == [sentence]


def test_a_right_image_that_was_not_used_is_a_warning():
    both = MethodSummary(at_fill_97=Accuracy(mae_mm=18.0))
    methods = {"raw": MethodSummary(), "denoised": both, "denoised_left_only": both}
    summary = Summary(frames=30, methods=methods, right_rejected=20)
    assert list_warnings(summary) == [
        "The right infrared of 20 of 30 frames does not belong to their depth and was not used; "
        "Skipped gives the reason."
    ]
    assert describe_right_infrared(summary)
    assert not describe_right_infrared(replace(summary, right_rejected=30))
