"""Help as plain text: sentences wrapped at the width of the terminal, options by panel."""

from __future__ import annotations

import inspect
from typing import Any

from typer.core import TyperCommand, TyperGroup

# Columns that names of options may take; the help of longer ones begins on the next line.
NAMES_COLUMNS = 24

Rows = list[tuple[str, str]]


class Command(TyperCommand):
    """A command whose help lists arguments, then options by their `rich_help_panel`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the program's name: required arguments as they are, others in []."""
        arguments = [p for p in self.get_params(ctx) if p.param_type_name == "argument"]
        names = [_name(p) if p.required else f"[{_name(p)}]" for p in arguments]
        return ["[OPTIONS]", *names]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes all panels."""
        _write_panels(formatter, _option_rows(self.get_params(ctx), ctx))


class CommandGroup(TyperGroup):
    """A program of several commands, listed by their `rich_help_panel`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes the commands, then the program's own options."""
        panels: dict[str, Rows] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            first, *_ = inspect.cleandoc(command.help or "").split("\n\n")
            panel = getattr(command, "rich_help_panel", None) or "Commands"
            panels.setdefault(panel, []).append((name, " ".join(first.split())))
        _write_panels(formatter, panels)
        _write_panels(formatter, _option_rows(self.get_params(ctx), ctx))


def _name(argument: Any) -> str:
    name = (argument.metavar or argument.name.upper()).removesuffix("...")
    return name if argument.nargs == 1 else f"{name}..."


def _option_rows(parameters: list[Any], ctx: Any) -> dict[str, Rows]:
    panels: dict[str, Rows] = {"Arguments": [], "Options": []}
    for parameter in parameters:
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        is_argument = parameter.param_type_name == "argument"
        plain = "Arguments" if is_argument else "Options"
        panel = getattr(parameter, "rich_help_panel", None) or plain
        row = (_name(parameter), record[1]) if is_argument else record
        panels.setdefault(panel, []).append(row)
    return panels


def _write_panels(formatter: Any, panels: dict[str, Rows]) -> None:
    for name, rows in panels.items():
        if rows:
            with formatter.section(name):
                formatter.write_dl(rows, col_max=NAMES_COLUMNS)
