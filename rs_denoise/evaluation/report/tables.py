"""The tables of the report: every method, every figure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rs_denoise.evaluation.report.cards import DENOISED, RAW, MetricChange
from rs_denoise.evaluation.report.figures import Figure, figure

# Blocks of a summary's methods that have a table of their own, beside those of accuracy.
BLOCKS = {
    "alone": "Without ground truth",
    "temporal": "Over time",
    "obstacles": "Obstacles",
    "ranking": "Confidence",
}

# What a summary calls accuracy where it says why there is none; and what is no block of a method.
ACCURACY = "accuracy"
PARTS = {"over_distance": "Errors over distance", "timing": "Time per frame"}


@dataclass(frozen=True)
class Cell:
    """What stands in a table: a value, and how it compares with the camera."""

    text: str
    ratio: str = ""
    change: str = ""


@dataclass(frozen=True)
class Table:
    """Figures of methods; `rows` are names with a cell for each of `figures`."""

    title: str
    note: str
    figures: tuple[Figure, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def tables(summary: dict) -> list[Table]:
    """Those for which there is something to show."""
    methods = summary["methods"]
    found = [
        _against_raw(
            methods, "published", "All that is published",
            "Ratios are to the camera. A method that drops or fills pixels is not compared like "
            "with like here.",
        ),
        _same_pixels(methods),
    ]  # fmt: skip
    found += [_against_raw(methods, block, title, "") for block, title in BLOCKS.items()]
    return [table for table in found if table.rows]


def not_computed(summary: dict) -> list[tuple[str, str]]:
    """What is missing from the summary, in whole or in part, with the reason if it gives one."""
    methods = summary["methods"]
    reasons: dict[str, str] = dict(summary.get("not_computed", {}))
    there = {block for blocks in methods.values() for block in blocks}
    there |= {ACCURACY} if "published" in there else set()
    there |= {part for part in PARTS if summary.get(part)}
    names = {ACCURACY: "Accuracy"} | BLOCKS | PARTS
    found = [(name, reasons.pop(key, "")) for key, name in names.items() if key not in there]
    return found + [(names.get(key, key.capitalize()), why) for key, why in reasons.items()]


def over_distance_sentence(over_distance: dict) -> str:
    """At how many distances it is better, and where it changes most; sparse ones are left out."""
    methods = over_distance.get("methods", {})
    raw, denoised = methods.get(RAW), methods.get(DENOISED)
    if raw is None or denoised is None:
        return ""
    least = sum(raw["pixels"]) / 100
    shown = figure("mae_mm")
    bins = [
        (low, MetricChange("", before, after, shown))
        for low, pixels, before, after in zip(
            over_distance["edges_mm"], raw["pixels"], raw["mae_mm"], denoised["mae_mm"],
            strict=False,  # one edge more than bins
        )
        if pixels >= least and before and after is not None
    ]  # fmt: skip
    if not bins:
        return ""
    step = over_distance["edges_mm"][1] - over_distance["edges_mm"][0]
    count = {c: sum(b.change == c for _, b in bins) for c in ("better", "unchanged", "worse")}
    low, most = max(bins, key=lambda b: abs((b[1].ratio or 1.0) - 1.0))
    return (
        f"Of {len(bins)} distances with at least 1 % of the pixels, the mean error is better at "
        f"{count['better']}, unchanged at {count['unchanged']}, worse at {count['worse']}; it "
        f"changes most at {low / 1000:.2f} to {(low + step) / 1000:.2f} m: {most.text} "
        f"({most.ratio_text})."
    )


def _against_raw(methods: dict, block: str, title: str, note: str) -> Table:
    """A row for each method that has the block; ratios to the camera's where that has it too."""
    raw = methods.get(RAW, {}).get(block, {})
    having = {name: blocks[block] for name, blocks in methods.items() if block in blocks}
    keys = _keys(having.values())
    rows = tuple(
        (
            "raw (camera)" if name == RAW else name,
            tuple(_cell(key, None if name == RAW else raw.get(key), s.get(key)) for key in keys),
        )
        for name, s in having.items()
    )
    return Table(title, note, tuple(map(figure, keys)), rows)


def _same_pixels(methods: dict) -> Table:
    having = {n: m for n, m in methods.items() if "same" in m and "same_raw" in m}
    # Over the same pixels, fill and what was dropped of thin things mean nothing.
    keys = [key for key in _keys(m["same"] for m in having.values()) if key not in _OF_COVER]
    rows = tuple(
        (name, tuple(_cell(key, m["same_raw"].get(key), m["same"].get(key), True) for key in keys))
        for name, m in having.items()
    )
    note = "Camera → method, over the pixels that both have: dropping pixels is no accuracy."
    return Table("Over the same pixels", note, tuple(map(figure, keys)), rows)


_OF_COVER = ("fill_pct", "thin_recall_pct")


def _keys(scores: Iterable[dict]) -> list[str]:
    """The figures of all of them, in the order in which they come."""
    return list(dict.fromkeys(key for block in scores for key in block))


def _cell(key: str, before: float | None, after: float | None, both: bool = False) -> Cell:
    shown = figure(key)
    if before is None or after is None:
        return Cell(shown.number(after))
    compared = MetricChange("", before, after, shown)
    text = f"{shown.number(before)} → {shown.number(after)}" if both else shown.number(after)
    return Cell(text, compared.ratio_text, compared.change)
