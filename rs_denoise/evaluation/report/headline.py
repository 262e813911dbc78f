"""Is it better, and is it safe: a summary in two sentences and a few cards.

Accuracy is compared over the pixels that both camera and denoised depth have, so that dropping
pixels does not improve it. Safety is measured over all published pixels, because these are what a
robot receives; it is not called better if it is worse over the same pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rs_denoise.evaluation.metrics.blocks import Accuracy
from rs_denoise.evaluation.report.cards import (
    ACCURACY,
    BETTER,
    COVERAGE,
    COVERAGE_NO_REFERENCE,
    DANGERS,
    FEW_FRAMES,
    HINTS,
    RECEDED,
    SMOOTHNESS,
    TOO_FEW,
    UNCHANGED,
    WORSE,
    Card,
    MetricChange,
    make_cards,
    make_cost_cards,
)
from rs_denoise.evaluation.summary import MethodSummary, Summary
from rs_denoise.offline import DENOISED, LEFT_ONLY

MIXED = "mixed"


@dataclass(frozen=True)
class Answer:
    """An answer to one question.

    Attributes:
        question, topic: the question, and its subject as a heading.
        word: BETTER, WORSE, UNCHANGED, MIXED, TOO_FEW, or "" if unknown.
        sentences: the answer, and the metrics that it is based on.
        cards: those metrics.
    """

    question: str
    topic: str
    word: str
    sentences: tuple[str, ...]
    cards: tuple[Card, ...]


_BETTER_WORDS = {
    BETTER: "Better: over the same pixels, denoised depth is nearer to the truth.",
    WORSE: "Worse: over the same pixels, denoised depth is farther from the truth.",
    UNCHANGED: "No better: over the same pixels, denoised depth is as accurate as the camera's.",
    MIXED: "Mixed: over the same pixels, some errors are smaller and some are larger.",
    TOO_FEW: "Too few frames to tell whether denoised depth is nearer to the truth.",
}
# If the mean error itself did not clearly change.
_PARTLY_BETTER_WORDS = _BETTER_WORDS | {
    BETTER: "Better in part: over the same pixels, some errors are smaller, none clearly larger.",
    WORSE: "Worse in part: over the same pixels, some errors are larger, none clearly smaller.",
}
_SAFE_WORDS = {
    BETTER: "Safer: denoised depth has fewer dangerous errors.",
    WORSE: "Less safe: denoised depth has more dangerous errors.",
    UNCHANGED: "As safe as the camera: denoised depth has as many dangerous errors.",
    MIXED: "Mixed: some dangerous errors are fewer and some are more.",
    TOO_FEW: "Too few frames to tell whether denoised depth has fewer dangerous errors.",
}
_HINT_WORDS = {
    BETTER: "Signs of more safety.",
    WORSE: "Signs of less safety.",
    UNCHANGED: "No sign of more or less safety.",
    MIXED: "Signs of both more and less safety.",
    TOO_FEW: "Too few frames for signs of more or less safety.",
}
_REASONS = {
    BETTER: "Improved", WORSE: "Worse", UNCHANGED: "Unchanged", TOO_FEW: "Too few frames to tell",
}  # fmt: skip
_NO_ACCURACY = "Accuracy is unknown without ground truth."
_NO_SAFETY = "False free space and false obstacles are unknown without ground truth."


def answer_questions(summary: Summary) -> tuple[Answer, Answer, Answer]:
    """Is it better, is it safe, and what does it cost."""
    accuracy, dangers = make_cards(summary, ACCURACY), make_cards(summary, DANGERS)
    smoothness, hints = make_cards(summary, SMOOTHNESS), make_cards(summary, HINTS)
    better, safe = ("Is it better?", "Accuracy and smoothness"), ("Is it safe?", "Safety")
    coverage = make_cards(summary, COVERAGE) or make_cards(summary, COVERAGE_NO_REFERENCE)
    costs = coverage + make_cost_cards(summary)
    cost = Answer("What does it cost?", "Coverage and cost", "", (), costs)
    if not accuracy:
        return (
            _answer(better, _smooth_words(summary), smoothness, (), _NO_ACCURACY),
            _answer(safe, _HINT_WORDS, hints, dangers, _NO_SAFETY),
            cost,
        )
    mean_error, *_ = accuracy
    clear = mean_error.change in (BETTER, WORSE)
    words = _BETTER_WORDS if clear else _PARTLY_BETTER_WORDS
    return (
        _answer(better, words, accuracy, smoothness),
        _answer(safe, _SAFE_WORDS, dangers + make_cards(summary, (RECEDED,)), ()),
        cost,
    )


def _smooth_words(summary: Summary) -> dict[str, str]:
    """The answers without ground truth, for what was measured: flat surfaces, still scenes."""
    denoised = summary.methods.get(DENOISED, MethodSummary())
    still = denoised.temporal.still_frames > 0
    flat = not still or not math.isnan(denoised.no_reference.plane_rms_mm)
    measured = (flat, still)
    smooth, smoother, rougher = (
        [word for word, is_measured in zip(words, measured, strict=True) if is_measured]
        for words in (("smooth", "steady"), ("smoother", "steadier"), ("rougher", "less steady"))
    )
    return {
        BETTER: f"Denoised depth is {' and '.join(smoother)}.",
        WORSE: f"Denoised depth is {' or '.join(rougher)}.",
        UNCHANGED: f"Denoised depth is as {' and '.join(smooth)} as the camera's.",
        MIXED: f"Denoised depth is {' or '.join(smoother)} in some ways and worse in others.",
        TOO_FEW: f"Too few frames to tell whether denoised depth is {' and '.join(smoother)}.",
    }


def list_warnings(summary: Summary) -> list[str]:
    """What to consider before relying on the answers."""
    with_truth, without = summary.frames, summary.frames_without_truth
    measured = with_truth or without
    found = []
    if 0 < measured < FEW_FRAMES:
        count = "one frame" if measured == 1 else f"{measured} frames"
        found.append(f"Only {count}: a small difference may be chance.")
    if with_truth and without:
        have, do = ("frame has", "does") if without == 1 else ("frames have", "do")
        uncounted = f"{without} {have} no ground truth and {do} not count"
        found.append(f"{uncounted} for accuracy and safety.")
    if summary.right_rejected:
        rejected = f"The right infrared of {summary.right_rejected} of {summary.all_frames} frames"
        found.append(
            f"{rejected} does not belong to their depth and was not used; Skipped gives the reason."
        )
    return found


def describe_right_infrared(summary: Summary) -> str:
    """How the right infrared is used and what it changes; "" if it is used in no frame."""
    if 0 < summary.all_frames == summary.right_rejected:
        return ""
    both = summary.methods.get(DENOISED)
    left = summary.methods.get(DENOISED + LEFT_ONLY)
    if both is None or left is None:
        return ""
    text = (
        "The model also uses the right infrared image: where it does not match the left one at the "
        "measured depth, the model lowers the confidence or chooses another surface nearby."
    )
    if both.at_fill_97 is None or left.at_fill_97 is None:
        return text
    changes = [
        MetricChange(metric, metric.of(left.at_fill_97), metric.of(both.at_fill_97))
        for metric in (Accuracy.mae_mm, Accuracy.gross_pct, Accuracy.edge_band_mae_px)
    ]
    changes = [c for c in changes if not math.isnan(c.before + c.after)]
    named = (f"{c.metric.name.lower()} {c.text} ({c.percent_text or c.change})" for c in changes)
    return f"{text} Over the most confident 97 % of the pixels, without → with it: " + (
        ", ".join(named) + "."
    )


def _answer(
    question: tuple[str, str], words: dict[str, str], deciding: tuple[Card, ...],
    others: tuple[Card, ...], missing: str = "",
) -> Answer:  # fmt: skip
    """The deciding cards determine the word; the others are listed after them."""
    changes, cards = {card.change for card in deciding}, deciding + others
    if not changes:
        return Answer(*question, "", (missing or "Not computed.",), cards)
    word = MIXED if {BETTER, WORSE} <= changes else UNCHANGED
    for only in (TOO_FEW, WORSE, BETTER):
        if only in changes and word != MIXED:
            word = only
    sentences = filter(None, (words[word], missing, _list_reasons(cards)))
    return Answer(*question, word, tuple(sentences), cards)


def _list_reasons(cards: tuple[Card, ...]) -> str:
    """Which metrics improved, got worse or stayed, with their changes."""
    parts = []
    for change, name in _REASONS.items():
        named = [_name(card) for card in cards if card.change == change]
        if named:
            parts.append(f"{name}: {', '.join(named)}.")
    return " ".join(parts)


def _name(card: Card) -> str:
    deciding = next(c for c in card.changes if c.change == card.change)
    percent = deciding.percent_text
    return card.title[0].lower() + card.title[1:] + (f" ({percent})" if percent else "")
