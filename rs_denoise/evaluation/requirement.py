"""A requirement on a summary, such as `denoised.same.mae_mm <= 0.9 * denoised.same_raw.mae_mm`.

It compares two arithmetic expressions of numbers and metrics. A metric is METHOD.BLOCK.METRIC as in
the JSON of a summary. Names of methods may contain a hyphen, so a minus needs spaces around it.
simpleeval evaluates the expressions without running code.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from simpleeval import DEFAULT_OPERATORS, InvalidExpression, SimpleEval

from rs_denoise.evaluation.summary import RequirementResult

COMPARISONS: dict[type[ast.cmpop], tuple[str, Callable[[float, float], bool]]] = {
    ast.LtE: ("<=", operator.le), ast.Lt: ("<", operator.lt), ast.GtE: (">=", operator.ge),
    ast.Gt: (">", operator.gt), ast.Eq: ("==", operator.eq), ast.NotEq: ("!=", operator.ne),
}  # fmt: skip
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.USub, ast.UAdd)
ALLOWED_NODES = (ast.BinOp, ast.UnaryOp, ast.Name, ast.Constant)
METRIC = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_]+\.[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Stands for a metric in an expression, with its number; requirements themselves are ASCII.
PLACEHOLDER = "ø"
EXPECTED = (
    "expected such as 'denoised.same.mae_mm <= 0.9 * denoised.same_raw.mae_mm': + - * / of numbers "
    "and METHOD.BLOCK.METRIC on both sides of one <=, <, >=, >, == or !="
)

# Method -> block -> metric, as the JSON of a summary has them.
Methods = Mapping[str, Mapping[str, Mapping[str, float | None]]]


class RequirementError(ValueError):
    """A requirement that cannot be parsed, or whose metric the summary does not have."""


@dataclass(frozen=True)
class Requirement:
    """A comparison of two expressions.

    Attributes:
        left, right: the expressions, metrics by their names.
        comparison: the sign between them.
    """

    left: str
    comparison: str
    right: str

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Reads a requirement.

        Raises:
            RequirementError: the text is not a requirement, or contains no metric.
        """
        metrics = METRIC.findall(text)
        if not text.isascii():
            raise RequirementError(f"requirement '{text}': {EXPECTED}")
        if not metrics:
            raise RequirementError(f"requirement '{text}' names no metric; {EXPECTED}")
        source = _insert_placeholders(text).strip()
        try:
            node = ast.parse(source, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise RequirementError(f"requirement '{text}': {EXPECTED}") from error
        if not isinstance(node, ast.Compare) or len(node.ops) != 1:
            raise RequirementError(f"requirement '{text}': {EXPECTED}")
        comparison = COMPARISONS.get(type(node.ops[0]))
        if comparison is None:
            raise RequirementError(f"requirement '{text}': {EXPECTED}")
        for side in (node.left, node.comparators[0]):
            _check(side, text)
        left, right = (_restore_text(n, source, metrics) for n in (node.left, node.comparators[0]))
        return cls(left, comparison[0], right)

    def __str__(self) -> str:
        return f"{self.left} {self.comparison} {self.right}"

    def check(self, methods: Methods) -> RequirementResult:
        """Evaluates both sides and compares them.

        Args:
            methods: "methods" of a summary's JSON.

        Raises:
            RequirementError: a metric does not exist or was not measured, or a side is not a finite
                number.
        """
        left, right = (_evaluate(side, methods) for side in (self.left, self.right))
        compare = next(c for sign, c in COMPARISONS.values() if sign == self.comparison)
        shown = _format_distinct(left, right)
        first = f"{self.left} = {shown[0]}" if METRIC.search(self.left) else self.left
        second = f"{shown[1]} = {self.right}" if METRIC.search(self.right) else self.right
        return RequirementResult(compare(left, right), f"{first} {self.comparison} {second}")


def check_requirement(requirement: Requirement, methods: Methods) -> RequirementResult:
    """As `Requirement.check`, but what cannot be evaluated is a result too, with the reason."""
    try:
        return requirement.check(methods)
    except RequirementError as error:
        return RequirementResult(False, str(error), evaluated=False)


def _insert_placeholders(text: str) -> str:
    """The text with a Python name for each metric: its number among those of the text."""
    numbers = iter(range(len(text)))
    return METRIC.sub(lambda _: f"{PLACEHOLDER}{next(numbers)}", text)


def _restore_text(node: ast.expr, source: str, metrics: list[str]) -> str:
    """A side as it was written, evenly spaced, metrics by their names."""
    segment = ast.get_source_segment(source, node) or ""
    text = " ".join(re.sub(r"(?<!\*)\*(?!\*)", " * ", segment).split())
    return re.sub(rf"{PLACEHOLDER}(\d+)", lambda match: metrics[int(match[1])], text)


def _check(side: ast.expr, requirement: str) -> None:
    """Checks that a side is arithmetic of finite numbers and metrics."""
    for node in ast.walk(side):
        if isinstance(node, ast.Constant) and not _is_finite_number(node.value):
            raise RequirementError(
                f"requirement '{requirement}': {ast.unparse(node)} is not a finite number; "
                f"{EXPECTED}"
            )
        if isinstance(node, ast.Name) and not node.id.startswith(PLACEHOLDER):
            raise RequirementError(
                f"requirement '{requirement}': '{node.id}' is neither a number nor "
                f"METHOD.BLOCK.METRIC; {EXPECTED}"
            )
        if not isinstance(node, ALLOWED_NODES + ARITHMETIC + (ast.expr_context,)):
            raise RequirementError(f"requirement '{requirement}': {EXPECTED}")


def _is_finite_number(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max  # type: ignore[arg-type]


def _evaluate(side: str, methods: Methods) -> float:
    """The value of a checked side."""
    values = [_find(methods, metric) for metric in METRIC.findall(side)]
    evaluator = SimpleEval(
        operators={kind: DEFAULT_OPERATORS[kind] for kind in ARITHMETIC},
        functions={},
        names={f"{PLACEHOLDER}{number}": value for number, value in enumerate(values)},
    )
    try:
        value = float(evaluator.eval(_insert_placeholders(side)))
    except (InvalidExpression, ArithmeticError) as error:
        raise RequirementError(f"'{side}' cannot be evaluated: {error}") from error
    if not math.isfinite(value):
        raise RequirementError(f"'{side}' cannot be evaluated: it is {value}")
    return value


def _find(methods: Methods, metric: str) -> float:
    method, block, name = metric.split(".")
    blocks = _find_in(methods, method, metric, "method", "the summary")
    metrics = _find_in(blocks, block, metric, "block", method)
    value = _find_in(metrics, name, metric, "metric", f"{method}.{block}")
    if value is None or not math.isfinite(value):
        raise RequirementError(
            f"{metric} was not measured (it is {value}): it cannot be measured on these frames, "
            "so a requirement on it is not met"
        )
    return float(value)


def _find_in(level: Mapping, name: str, metric: str, kind: str, holder: str):
    if name not in level:
        raise RequirementError(
            f"{metric}: no {kind} '{name}'; {holder} has {_join_names(level) or 'none'}"
        )
    return level[name]


def _join_names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _format_distinct(left: float, right: float) -> tuple[str, str]:
    """Both numbers with enough digits to show that they differ, at least four."""
    whole = max(len(str(int(abs(value)))) for value in (left, right))
    for digits in range(max(4, whole), 18):
        shown = f"{left:#.{digits}g}", f"{right:#.{digits}g}"
        if left == right or shown[0] != shown[1]:
            break
    return shown[0].rstrip("."), shown[1].rstrip(".")
