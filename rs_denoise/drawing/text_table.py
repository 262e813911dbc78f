"""A table of numbers as text: for a terminal, and for a document in Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.table import Table


def format_number(value: float | None, digits: int = 3) -> str:
    """A cell with a number; "-" if there is none, or if it is not finite."""
    return f"{value:.{digits}f}" if value is not None and math.isfinite(value) else "-"


@dataclass(frozen=True)
class TextTable:
    """A table whose first column holds names and whose other columns hold numbers.

    Attributes:
        title: starts with a small letter.
        head: headings of the columns; for a terminal, they may have several lines.
        rows: the cells of each row.
    """

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def for_terminal(self, gap: int = 1) -> Table:
        """The table for a terminal of 80 columns, with `gap` spaces between its columns."""
        table = Table(
            title=self.title, title_justify="left", box=SIMPLE, padding=(0, 0, 0, gap),
            pad_edge=False,
        )  # fmt: skip
        for number, name in enumerate(self.head):
            table.add_column(name, justify="right" if number else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        return table

    def to_markdown(self) -> str:
        """The table for a document, below its title."""
        lines = [self.head, ("---", *["---:"] * (len(self.head) - 1)), *self.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{self.title[0].upper()}{self.title[1:]}:\n\n{table}\n"
