"""The headline metrics of a summary, each before and after, and whether it got better."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from rs_denoise.evaluation.metrics.blocks import (
    CAMERA_METRICS,
    Accuracy,
    NoReference,
    ObstacleCells,
    TemporalNoise,
    read_camera,
)
from rs_denoise.evaluation.metrics.metric import Better, Metric, MetricBlock
from rs_denoise.evaluation.summary import MethodSummary, Summary, Timing
from rs_denoise.offline import DENOISED, RAW

# A ratio this close to 1 counts as no change: frames of one recording differ by more.
NEUTRAL = 0.03
# With fewer frames than this, a change of up to FEW_NEUTRAL may be chance.
FEW_FRAMES, FEW_NEUTRAL = 10, 0.10
NO_BREAK = "\N{NO-BREAK SPACE}"
CAMERA_PERIOD_MS = 1000 / 30
SAME, PUBLISHED = "same pixels", "all published"
BETTER, WORSE, UNCHANGED = "better", "worse", "unchanged"
TOO_FEW = "too few frames to tell"


@dataclass(frozen=True)
class MetricChange:
    """A metric before and after, over one set of pixels.

    Attributes:
        metric: what was measured.
        before, after: its values, not NaN.
        over: the set of pixels, "" if that is obvious.
        frames: number of frames; 0 if unknown.
    """

    metric: Metric
    before: float
    after: float
    over: str = ""
    frames: int = 0

    @property
    def ratio(self) -> float | None:
        """After over before; None if before is 0."""
        return self.after / self.before if self.before else None

    @property
    def change(self) -> str:
        """BETTER, WORSE, UNCHANGED or TOO_FEW; "" if the metric has no better direction."""
        if self.metric.better is Better.NEITHER:
            return ""
        apart = self.after - self.before
        if abs(apart) <= max(NEUTRAL * abs(self.before), self.metric.min_change):
            return UNCHANGED
        if 0 < self.frames < FEW_FRAMES and abs(apart) <= FEW_NEUTRAL * abs(self.before):
            return TOO_FEW
        return BETTER if (apart < 0) == (self.metric.better is Better.LOWER) else WORSE

    @property
    def percent_text(self) -> str:
        """As "-4 %"; "" where it would contradict that nothing changed."""
        if self.ratio is None or (self.change == UNCHANGED and abs(self.ratio - 1) > NEUTRAL):
            return ""
        percent = round(100 * (self.ratio - 1))
        return f"{percent:+d}{NO_BREAK}%" if percent else f"0{NO_BREAK}%"

    @property
    def verdict(self) -> str:
        """As "-4 %, better"."""
        return ", ".join(filter(None, (self.percent_text, self.change)))

    @property
    def text(self) -> str:
        """As "23.8 → 22.7 mm"."""
        return f"{self.metric.number(self.before)} → {self.metric.text(self.after)}"


@dataclass(frozen=True)
class Card:
    """One headline metric.

    Attributes:
        title, meaning: its name, and what it means for a robot.
        changes: the first is the headline; empty if there is only a value.
        value: of a metric that has no value before denoising.
    """

    title: str
    meaning: str
    changes: tuple[MetricChange, ...] = ()
    value: str = ""

    @property
    def change(self) -> str:
        """The headline's change, or WORSE if a dangerous error is worse over the same pixels."""
        if not self.changes:
            return ""
        headline, *others = self.changes
        if headline.over == PUBLISHED and WORSE in [other.change for other in others]:
            return WORSE
        return headline.change


ReadBlock = Callable[[MethodSummary], MetricBlock | None]


@dataclass(frozen=True)
class Subject:
    """The subject of a card.

    Attributes:
        metric: what was measured; its name is the title unless there is another.
        meaning: what it means for a robot, a sentence.
        over: the sets of pixels, the headline first; empty for other blocks.
        block: where to read it, if it is not of accuracy.
        title: instead of the metric's name.
        complement: shows 100 % less the metric, so that lower is better.
    """

    metric: Metric
    meaning: str
    over: tuple[str, ...] = ()
    block: ReadBlock = field(default=lambda method: method.published)
    title: str = ""
    complement: bool = False


def _no_reference(method: MethodSummary) -> NoReference:
    return method.no_reference


def _temporal(method: MethodSummary) -> TemporalNoise:
    return method.temporal


def _obstacles(method: MethodSummary) -> ObstacleCells | None:
    return method.obstacles


_SAME_FIRST, _PUBLISHED_FIRST = (SAME, PUBLISHED), (PUBLISHED, SAME)
ACCURACY = (
    Subject(Accuracy.mae_mm, "How far depth is from the true surfaces.", _SAME_FIRST),
    Subject(
        Accuracy.high_frequency_error_px,
        "Waves on walls and floors: bumps in a map, false slopes.", _SAME_FIRST,
    ),
    Subject(Accuracy.bad5_pct, "Pixels more than 5 % off.", _SAME_FIRST),
)  # fmt: skip
DANGERS = (
    Subject(
        Accuracy.false_free_pct,
        "More than 5 % too far: the robot may drive into something.", _PUBLISHED_FIRST,
    ),
    Subject(
        Accuracy.false_obstacle_pct,
        "More than 5 % too near: the robot brakes for nothing.", _PUBLISHED_FIRST,
    ),
    Subject(
        Accuracy.flying_pct,
        "At edges, points in mid-air between an object and its background.", _PUBLISHED_FIRST,
    ),
    # Over the same pixels, a thin object that was dropped would not count as missed.
    Subject(
        Accuracy.thin_recall_pct, "Legs, poles and cables that depth does not show.",
        (PUBLISHED,), title="Thin objects missed", complement=True,
    ),
    Subject(
        ObstacleCells.missed_cells, "Occupied cells of a costmap that stay empty.",
        block=_obstacles, title="Missed obstacle cells",
    ),
    Subject(
        ObstacleCells.false_obstacle_cells,
        "Free cells of a costmap that are marked as occupied.", block=_obstacles,
    ),
)  # fmt: skip
SMOOTHNESS = (
    Subject(
        NoReference.plane_rms_mm, "How bumpy flat walls and floors are.", block=_no_reference
    ),
    Subject(
        TemporalNoise.temporal_noise_same_pct, "How much depth fluctuates while nothing moves.",
        (SAME,), _temporal, "Temporal noise",
    ),
    Subject(
        TemporalNoise.flicker_pct, "Pixels that come and go while nothing moves.", block=_temporal
    ),
)  # fmt: skip
RECEDED = Subject(
    NoReference.receded_pct, "Pixels moved away by more than the gate allows.",
    block=_no_reference,
)  # fmt: skip
HINTS = (
    Subject(
        NoReference.flying_ir_pct,
        "At edges, points in mid-air between an object and its background.", block=_no_reference,
    ),
    RECEDED,
)  # fmt: skip
_HOLES = "Pixels without depth, where the robot knows nothing."
COVERAGE = (
    Subject(Accuracy.fill_pct, _HOLES, (PUBLISHED,), title="Holes", complement=True),
)  # fmt: skip
COVERAGE_NO_REFERENCE = (
    Subject(NoReference.fill_pct, _HOLES, block=_no_reference, title="Holes", complement=True),
)
CHANGES = (
    (NoReference.changed_median_pct, "Half of the pixels change by less than this."),
    (NoReference.dropped_pct, "Of the camera's valid pixels, those not published."),
    (NoReference.filled_pct, "Of the camera's holes, those that were filled."),
)


def make_cards(summary: Summary, subjects: tuple[Subject, ...]) -> tuple[Card, ...]:
    """A card for each subject that was measured before and after."""
    raw, denoised = summary.methods.get(RAW), summary.methods.get(DENOISED)
    if raw is None or denoised is None:
        return ()
    cards = (_make_card(summary, raw, denoised, subject) for subject in subjects)
    return tuple(card for card in cards if card is not None)


def make_cost_cards(summary: Summary) -> tuple[Card, ...]:
    """How much was changed, and the time per frame: values without a comparison."""
    denoised = summary.methods.get(DENOISED)
    cards = []
    if denoised is not None:
        values = [(metric, metric.of(denoised.no_reference), text) for metric, text in CHANGES]
        cards += [
            Card(metric.name, meaning, value=metric.text(value))
            for metric, value, meaning in values
            if not math.isnan(value)
        ]
    if summary.timing is not None:
        median = f"{summary.timing.p50_ms:.1f} ms"
        cards.append(Card("Time per frame", _describe_pace(summary.timing), value=median))
    return tuple(cards)


def _make_card(
    summary: Summary, raw: MethodSummary, denoised: MethodSummary, subject: Subject
) -> Card | None:
    """None if the metric was not measured."""
    title = subject.title or subject.metric.name
    changes = []
    for over in subject.over or ("",):
        of_camera, of_method = _select_blocks(raw, denoised, subject, over)
        if of_camera is None or of_method is None:
            continue
        before = read_camera(subject.metric, of_camera, of_method)
        after = subject.metric.of(of_method)
        if not math.isnan(before + after):
            frames = summary.count_frames(of_method, subject.metric)
            changes.append(_make_change(subject, title, before, after, over, frames))
    return Card(title, subject.meaning, tuple(changes)) if changes else None


def _select_blocks(
    raw: MethodSummary, denoised: MethodSummary, subject: Subject, over: str
) -> tuple[MetricBlock | None, MetricBlock | None]:
    """The blocks of the camera and of the method that hold the metric."""
    if over == SAME and subject.metric not in CAMERA_METRICS:
        return denoised.same_raw, denoised.same
    return subject.block(raw), subject.block(denoised)


def _make_change(
    subject: Subject, title: str, before: float, after: float, over: str, frames: int
) -> MetricChange:
    metric = subject.metric
    if not subject.complement:
        return MetricChange(metric, before, after, over, frames)
    rest = Metric(
        title, metric.unit, metric.description,
        digits=metric.digits, min_change=metric.min_change,
    )  # fmt: skip
    return MetricChange(rest, 100 - before, 100 - after, over, frames)


def _describe_pace(timing: Timing) -> str:
    slow = f"Median; 99 % take at most {timing.p99_ms:.1f} ms. "
    if timing.p99_ms <= CAMERA_PERIOD_MS:
        return slow + "Fast enough for 30 frames a second."
    if timing.p50_ms <= CAMERA_PERIOD_MS:
        return slow + "At 30 frames a second some frames are dropped."
    return slow + "Too slow for 30 frames a second: frames are dropped."
