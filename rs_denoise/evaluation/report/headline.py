"""Is it better, and is it safe: a summary in two sentences and a few cards.

Accuracy is compared over the pixels that camera and denoised depth both have, so that dropping
pixels is no accuracy. Safety is judged by all that is published, which is what a robot gets, and
never called better where it is worse over the same pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from rs_denoise.evaluation.report.cards import (
    ACCURACY,
    BETTER,
    COVER,
    COVER_ALONE,
    DANGERS,
    HINTS,
    RECEDED,
    SMOOTHNESS,
    UNCHANGED,
    WORSE,
    Card,
    cards_of,
    costs,
)

MIXED = "mixed"
# With fewer frames than this, the reader is warned of chance.
FEW_FRAMES = 10


@dataclass(frozen=True)
class Answer:
    """An answer to one question.

    Attributes:
        question, topic: as asked, and as a heading.
        word: better, worse, unchanged, mixed, or nothing where it is not known.
        sentences: the answer, and from which figures it follows.
        cards: those figures.
    """

    question: str
    topic: str
    word: str
    sentences: tuple[str, ...]
    cards: tuple[Card, ...]


_BETTER_WORDS = {
    BETTER: "Better: over the same pixels, denoised depth is nearer to the truth.",
    WORSE: "Worse: over the same pixels, denoised depth is farther from the truth.",
    UNCHANGED: "No better: over the same pixels, both are as far from the truth.",
    MIXED: "Mixed: over the same pixels, some errors are smaller and some greater.",
}
_SAFE_WORDS = {
    BETTER: "Safer: what is published misleads a robot less.",
    WORSE: "Less safe: what is published misleads a robot more.",
    UNCHANGED: "As safe as the camera: what is published misleads a robot as much.",
    MIXED: "Mixed: some dangers are smaller and some greater.",
}
_SMOOTH_WORDS = {
    BETTER: "Smoother and steadier; whether it is nearer to the truth is not known.",
    WORSE: "Rougher or less steady; how far from the truth is not known.",
    UNCHANGED: "As smooth and steady; how far from the truth is not known.",
    MIXED: "Smoother in some ways, rougher in others; how far from the truth is not known.",
}
_HINT_WORDS = {
    BETTER: "Signs of more safety; false free space and phantoms are not known.",
    WORSE: "Signs of less safety; false free space and phantoms are not known.",
    UNCHANGED: "No sign of more or less safety; false free space and phantoms are not known.",
    MIXED: "Signs of more and of less safety; false free space and phantoms are not known.",
}
_UNKNOWN = "Without ground truth accuracy is not known."


def verdicts(summary: dict) -> tuple[Answer, Answer, Answer]:
    """Is it better, is it safe, and what does it cost."""
    accuracy, dangers = cards_of(summary, ACCURACY), cards_of(summary, DANGERS)
    smoothness, hints = cards_of(summary, SMOOTHNESS), cards_of(summary, HINTS)
    better, safe = ("Is it better?", "Accuracy and smoothness"), ("Is it safe?", "Safety")
    cover = cards_of(summary, COVER) or cards_of(summary, COVER_ALONE)
    cost = Answer("What does it cost?", "Cover and cost", "", (), cover + costs(summary))
    if not accuracy:
        return (
            _answer(better, _SMOOTH_WORDS, smoothness, (), _UNKNOWN),
            _answer(safe, _HINT_WORDS, hints, dangers, _UNKNOWN),
            cost,
        )
    return (
        _answer(better, _BETTER_WORDS, accuracy, smoothness),
        _answer(safe, _SAFE_WORDS, dangers + cards_of(summary, (RECEDED,)), ()),
        cost,
    )


def warnings(summary: dict) -> list[str]:
    """What to mind before believing the verdict."""
    with_truth, without = summary.get("frames", 0), summary.get("without_truth", 0)
    judged = with_truth or without
    found = []
    if 0 < judged < FEW_FRAMES:
        count = "One frame" if judged == 1 else f"{judged} frames"
        found.append(f"{count} only: a small difference may be chance.")
    if with_truth and without:
        found.append(
            f"Frames without ground truth, {without}, do not count for accuracy and dangers."
        )
    return found


def _answer(
    question: tuple[str, str], words: dict[str, str], deciding: tuple[Card, ...],
    others: tuple[Card, ...], before: str = "",
) -> Answer:  # fmt: skip
    """The deciding cards give the word; the others are named beside them."""
    changes, cards = {card.change for card in deciding}, deciding + others
    if not changes:
        return Answer(*question, "", (before or "Not computed.",), cards)
    word = MIXED if {BETTER, WORSE} <= changes else UNCHANGED
    for only in (BETTER, WORSE):
        if only in changes and word != MIXED:
            word = only
    sentences = filter(None, (before, words[word], _because(cards)))
    return Answer(*question, word, tuple(sentences), cards)


def _because(cards: tuple[Card, ...]) -> str:
    """Which cards say what, with their ratios."""
    parts = []
    for change, name in ((BETTER, "Improved"), (WORSE, "Worse"), (UNCHANGED, "Unchanged")):
        named = [_named(card) for card in cards if card.change == change]
        if named:
            parts.append(f"{name}: {', '.join(named)}.")
    return " ".join(parts)


def _named(card: Card) -> str:
    deciding = next(c for c in card.comparisons if c.change == card.change)
    ratio = deciding.ratio_text
    return card.title.lower() + (f" ({ratio})" if ratio else "")
