"""Help as plain text: sentences wrapped at the width of the terminal, options by panel.

A program of several commands imports only the command that runs: importing all takes a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer.main
from typer.core import TyperCommand, TyperGroup

# Maximum width of option names, in columns; the help of longer ones starts on the next line.
NAMES_COLUMNS = 24

Rows = list[tuple[str, str]]


class Command(TyperCommand):
    """A command whose help lists arguments, then options by their `rich_help_panel`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the program's name: required arguments unchanged, others in []."""
        arguments = [p for p in self.get_params(ctx) if p.param_type_name == "argument"]
        names = [_format_name(p) if p.required else f"[{_format_name(p)}]" for p in arguments]
        return ["[OPTIONS]", *names]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes all panels."""
        _write_panels(formatter, _option_rows(self.get_params(ctx), ctx))


class LazyCommands(Mapping[str, Any]):
    """Commands by name, each a function in a module of its name; imported when asked for."""

    def __init__(self, package: str, names: Iterable[str]) -> None:
        self.package, self.names = package, tuple(names)

    def __getitem__(self, name: str) -> Any:
        if name not in self.names:
            raise KeyError(name)
        function = name.replace("-", "_")
        module = import_module(f"{self.package}.{function}")
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name, cls=Command)(getattr(module, function))
        return typer.main.get_command(single)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class CommandGroup(TyperGroup):
    """A program of several commands.

    Attributes:
        package: of the commands' modules.
        panels: the commands by panel, with the first paragraph of their help.
    """

    package: ClassVar[str]
    panels: ClassVar[Mapping[str, Mapping[str, str]]]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        names = [name for commands in self.panels.values() for name in commands]
        self.commands: Any = LazyCommands(self.package, names)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes the commands, then the program's own options."""
        _write_panels(formatter, {name: list(rows.items()) for name, rows in self.panels.items()})
        _write_panels(formatter, _option_rows(self.get_params(ctx), ctx))


def _format_name(argument: Any) -> str:
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
        row = (_format_name(parameter), record[1]) if is_argument else record
        panels.setdefault(panel, []).append(row)
    return panels


def _write_panels(formatter: Any, panels: dict[str, Rows]) -> None:
    for name, rows in panels.items():
        if rows:
            with formatter.section(name):
                formatter.write_dl(rows, col_max=NAMES_COLUMNS)
