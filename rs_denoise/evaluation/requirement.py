"""A bar for a summary, such as `denoised.same.mae_mm <= 0.9 * denoised.same_raw.mae_mm`.

requirement = side operator side        operator = <= | < | >= | > | == | !=
side = term [" + " number | " - " number]
term = number | figure | number * figure | figure * number
figure = method.block.figure            of letters, digits, _ and -
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_COMPARED = re.compile(r"<=|>=|==|!=|<|>")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FIGURE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")
# Names may hold a minus: one that subtracts has space around it.
_ADDED = re.compile(r"(.*\S)\s+([+-])\s+(\S+)", re.DOTALL)
_GRAMMAR = (
    "expected such as 'denoised.same.mae_mm <= 0.9 * denoised.same_raw.mae_mm': "
    "method.block.figure or a number on both sides of <=, <, >=, >, == or !="
)

# Method -> block -> figure, as a summary has them.
Methods = Mapping[str, Mapping[str, Mapping[str, float | None]]]


class RequirementError(ValueError):
    """A requirement that cannot be read, or that asks for what the summary does not have."""


@dataclass(frozen=True)
class RequirementResult:
    """Whether a requirement is met.

    Attributes:
        holds: whether it is.
        text: a line that shows both sides, or why nobody can tell.
        untold: whether a figure that it is about is not there.
    """

    holds: bool
    text: str
    untold: bool = False


@dataclass(frozen=True)
class _Side:
    """factor * figure + added, or only `added` where there is no figure."""

    text: str
    figure: str | None
    factor: float
    added: float

    def value(self, methods: Methods) -> float:
        if self.figure is None:
            return self.added
        return self.factor * _found(methods, self.figure) + self.added


@dataclass(frozen=True)
class Requirement:
    """Two sides that are compared."""

    left: _Side
    compared: str
    right: _Side

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Reads the grammar above.

        Raises:
            RequirementError: it is something else, or compares two numbers.
        """
        signs = _COMPARED.findall(text)
        if len(signs) != 1:
            raise RequirementError(f"requirement '{text}': {_GRAMMAR}")
        left, right = (_side(part, text) for part in text.split(signs[0]))
        if left.figure is None and right.figure is None:
            raise RequirementError(
                f"requirement '{text}' compares two numbers and no figure of the summary"
            )
        return cls(left, signs[0], right)

    def __str__(self) -> str:
        return f"{self.left.text} {self.compared} {self.right.text}"

    def holds(self, methods: Methods) -> RequirementResult:
        """Compares.

        Args:
            methods: "methods" of a summary.

        Raises:
            RequirementError: there is no such figure, or it is None or not finite: what was not
                measured is not met.
        """
        left, right = self.left.value(methods), self.right.value(methods)
        met = OPERATORS[self.compared](left, right)
        said = _told_apart(left, right)
        sides = [
            side.text if side.figure is None else shown
            for side, shown in (
                (self.left, f"{self.left.text} = {said[0]}"),
                (self.right, f"{said[1]} = {self.right.text}"),
            )
        ]
        return RequirementResult(met, f"{sides[0]} {self.compared} {sides[1]}")


def _side(part: str, whole: str) -> _Side:
    term, added = part.strip(), 0.0
    if match := _ADDED.fullmatch(term):
        term, sign, number = match.groups()
        added = _number(number, whole) * (-1 if sign == "-" else 1)
    factors = [factor.strip() for factor in term.split("*")]
    figures = [f for f in factors if _FIGURE.fullmatch(f) and not _NUMBER.fullmatch(f)]
    numbers = [_number(f, whole) for f in factors if f not in figures]
    if len(factors) > 2 or len(figures) > 1 or (len(factors) == 2 and not figures):
        raise RequirementError(f"requirement '{whole}': '{part.strip()}' is no side; {_GRAMMAR}")
    text = " ".join(part.replace("*", " * ").split())
    if not figures:
        return _Side(text, None, 0.0, numbers[0] + added)
    return _Side(text, figures[0], numbers[0] if numbers else 1.0, added)


def _number(text: str, whole: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise RequirementError(
            f"requirement '{whole}': '{text}' is neither a number nor method.block.figure; "
            f"{_GRAMMAR}"
        )
    value = float(text)
    if not math.isfinite(value):
        raise RequirementError(f"requirement '{whole}': {text} is too large a number")
    return value


def _found(methods: Methods, figure: str) -> float:
    method, block, name = figure.split(".")
    blocks = _of(methods, method, figure, "method", "the summary")
    figures = _of(blocks, block, figure, "block", method)
    value = _of(figures, name, figure, "figure", f"{method}.{block}")
    if value is None or not math.isfinite(value):
        raise RequirementError(
            f"{figure} was not measured (it is {value}), so that no requirement on it is met: "
            "the frames hold nothing of the kind"
        )
    return float(value)


def _of(level: Mapping, name: str, figure: str, kind: str, holder: str):
    if name not in level:
        raise RequirementError(
            f"{figure}: no {kind} '{name}'; {holder} has {_listed(level) or 'none'}"
        )
    return level[name]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _told_apart(left: float, right: float) -> tuple[str, str]:
    """Both with as few digits as tell them apart, four or more, and not in powers of ten."""
    whole = max(len(str(int(abs(value)))) for value in (left, right))
    for digits in range(max(4, whole), 18):
        said = f"{left:#.{digits}g}", f"{right:#.{digits}g}"
        if left == right or said[0] != said[1]:
            break
    return said[0].rstrip("."), said[1].rstrip(".")
