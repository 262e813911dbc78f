"""The headline figures of a summary: each before and after, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass

from rs_denoise.evaluation.report.figures import Figure, figure

RAW, DENOISED = "raw", "denoised"
# A ratio this near to 1 is no change: frames of one recording differ by more.
NEUTRAL = 0.03
CAMERA_PERIOD_MS = 1000 / 30
SAME, PUBLISHED = "same pixels", "all published"
BETTER, WORSE, UNCHANGED = "better", "worse", "unchanged"


@dataclass(frozen=True)
class MetricChange:
    """A figure before and after, over one set of pixels."""

    over: str
    before: float
    after: float
    figure: Figure

    @property
    def ratio(self) -> float | None:
        """After over before; None if that was nothing."""
        return self.after / self.before if self.before else None

    @property
    def change(self) -> str:
        """Better, worse or unchanged; nothing where neither is good."""
        if not self.figure.less_is:
            return ""
        apart = self.after - self.before
        if abs(apart) <= max(NEUTRAL * abs(self.before), self.figure.floor):
            return UNCHANGED
        return self.figure.less_is if apart < 0 else _opposite(self.figure.less_is)

    @property
    def ratio_text(self) -> str:
        """As "0.96x"."""
        return "" if self.ratio is None else f"{self.ratio:.2f}x"

    @property
    def text(self) -> str:
        """As "23.8 → 22.7 mm"."""
        digits = self.figure.digits
        return f"{self.before:.{digits}f} → {self.figure.text(self.after)}"


@dataclass(frozen=True)
class Card:
    """One headline figure.

    Attributes:
        title, meaning: in a robot developer's words.
        comparisons: the first is the headline; empty if there is a value only.
        value: of what has no before.
    """

    title: str
    meaning: str
    comparisons: tuple[MetricChange, ...] = ()
    value: str = ""

    @property
    def change(self) -> str:
        """That of the headline; of a danger as published, worse too where the same pixels are."""
        if not self.comparisons:
            return ""
        headline, *others = self.comparisons
        if headline.over == PUBLISHED and WORSE in [other.change for other in others]:
            return WORSE
        return headline.change


@dataclass(frozen=True)
class Subject:
    """What a card is about.

    Attributes:
        blocks: where its figure is in the summary, or over which pixels; the first is the headline.
        missing: it shows 100 % less the figure, so that less is better.
        before_key: what the denoised block calls the camera's figure over the same pixels.
    """

    key: str
    title: str
    meaning: str
    blocks: tuple[str, ...]
    missing: bool = False
    before_key: str = ""


_FAIR, _AS_SENT = (SAME, PUBLISHED), (PUBLISHED, SAME)
ACCURACY = (
    Subject("mae_mm", "Mean error", "How far surfaces are from where depth puts them.", _FAIR),
    Subject(
        "ripple_px", "Ripple", "Waves on walls and floors: bumps in a map, false slopes.", _FAIR
    ),
    Subject("bad5_pct", "Gross errors", "Pixels more than 5 % off: outliers of any kind.", _FAIR),
)
DANGERS = (
    Subject(
        "false_free_pct", "False free space",
        "More than 5 % too far: the robot may drive where something stands.", _AS_SENT,
    ),
    Subject(
        "phantom_pct", "Phantoms", "More than 5 % too near: the robot brakes for nothing.", _AS_SENT
    ),
    Subject(
        "flying_pct", "Flying pixels",
        "At edges, points in mid-air between a thing and what is behind it.", _AS_SENT,
    ),
    # Over the same pixels a thin thing that was dropped would not count as missed.
    Subject(
        "thin_recall_pct", "Thin things missed", "Legs, poles, cables that depth does not show.",
        (PUBLISHED,), missing=True,
    ),
    Subject(
        "missed_cells", "Missed obstacle cells", "Occupied cells of a map that stay empty.",
        ("obstacles",),
    ),
    Subject(
        "phantom_cells", "Phantom obstacle cells", "Free cells of a map that are marked occupied.",
        ("obstacles",),
    ),
)  # fmt: skip
SMOOTHNESS = (
    Subject(
        "plane_rms_mm", "Unevenness of planes", "How bumpy walls and floors are.", ("alone",)
    ),
    Subject(
        "temporal_noise_same_pct", "Noise over time",
        "How much depth trembles while nothing moves.", ("temporal",),
        before_key="temporal_noise_same_raw_pct",
    ),
    Subject(
        "flicker_pct", "Flicker", "Pixels that come and go while nothing moves.", ("temporal",)
    ),
)  # fmt: skip
RECEDED = Subject(
    "receded_pct", "Called free", "Pixels moved away by more than the gate allows.", ("alone",)
)
HINTS = (
    Subject(
        "flying_ir_pct", "Flying pixels, estimated",
        "At edges, points in mid-air between a thing and what is behind it.", ("alone",),
    ),
    RECEDED,
)  # fmt: skip
_HOLES = ("fill_pct", "Holes", "Pixels without depth: the robot knows nothing there.")
COVER = (Subject(*_HOLES, (PUBLISHED,), missing=True),)
COVER_ALONE = (Subject(*_HOLES, ("alone",), missing=True),)
CHANGES = (
    Subject(
        "changed_median_pct", "Change made", "Half of the pixels change by less than this.", ()
    ),
    Subject("dropped_pct", "Dropped", "Of the camera's pixels, those not published.", ()),
    Subject("filled_pct", "Filled", "Of the camera's holes, those that got depth.", ()),
)
_BLOCKS = {PUBLISHED: (PUBLISHED, "published", "published"), SAME: (SAME, "same_raw", "same")}


def computed(methods: dict) -> dict:
    """The figures that are numbers; a block without any is left out."""
    found: dict = {}
    for method, blocks in methods.items():
        for block, scores in blocks.items():
            known = {k: v for k, v in scores.items() if v is not None and v == v}
            if known.keys() - {"still_frames"}:
                found.setdefault(method, {})[block] = known
    return found


def cards_of(summary: dict, subjects: tuple[Subject, ...]) -> tuple[Card, ...]:
    """Those of which the summary has figures, before and after."""
    cards = (_card(summary["methods"], subject) for subject in subjects)
    return tuple(card for card in cards if card is not None)


def _card(methods: dict, subject: Subject) -> Card | None:
    """None where nothing of it was computed."""
    comparisons = []
    for block in subject.blocks:
        over, before_block, after_block = _BLOCKS.get(block, ("", block, block))
        if subject.before_key:
            over = SAME
        owner = DENOISED if over == SAME else RAW
        before_key = subject.before_key or subject.key
        before = methods.get(owner, {}).get(before_block, {}).get(before_key)
        after = methods.get(DENOISED, {}).get(after_block, {}).get(subject.key)
        if before is not None and after is not None:
            comparisons.append(_comparison(over, before, after, subject))
    if not comparisons:
        return None
    return Card(subject.title, subject.meaning, tuple(comparisons))


def _comparison(over: str, before: float, after: float, subject: Subject) -> MetricChange:
    shown = figure(subject.key)
    if not subject.missing:
        return MetricChange(over, before, after, shown)
    rest = Figure(subject.title, shown.unit, shown.meaning, shown.digits, "better", shown.floor)
    return MetricChange(over, 100 - before, 100 - after, rest)


def costs(summary: dict) -> tuple[Card, ...]:
    """How much was changed, and how long that took: figures without a before."""
    alone = summary["methods"].get(DENOISED, {}).get("alone", {})
    cards = [
        Card(subject.title, subject.meaning, value=figure(subject.key).text(alone[subject.key]))
        for subject in CHANGES
        if alone.get(subject.key) is not None
    ]
    timing = summary.get("timing")
    if timing:
        cards.append(Card("Time per frame", _pace(timing), value=f"{timing['p50_ms']:.1f} ms"))
    return tuple(cards)


def _pace(timing: dict) -> str:
    slow = f"Median; 99 % take at most {timing['p99_ms']:.1f} ms. "
    if timing["p99_ms"] <= CAMERA_PERIOD_MS:
        return slow + "Keeps up with 30 frames a second."
    if timing["p50_ms"] <= CAMERA_PERIOD_MS:
        return slow + "At 30 frames a second some are dropped."
    return slow + "Too slow for 30 frames a second: frames are dropped."


def _opposite(change: str) -> str:
    return WORSE if change == BETTER else BETTER
