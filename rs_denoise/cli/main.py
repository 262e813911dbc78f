"""The program `rs_denoise`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from rs_denoise.cli import (
    animate,
    bench,
    convert,
    cross_section,
    demo,
    denoise,
    evaluate,
    export,
    live,
    plane_fit,
    simulate,
    train,
)
from rs_denoise.cli.command_help import Command, CommandGroup
from rs_denoise.cli.program import run

app = typer.Typer(
    cls=CommandGroup,
    help="Denoises the depth of RealSense cameras; the ROS 2 node is `denoise_node`.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
SEE, USE, MAKE = "Evaluate", "Denoise recordings and cameras", "Make models"
COMMANDS: dict[str, dict[str, Callable]] = {
    SEE: {
        "demo": demo.demo,
        "evaluate": evaluate.evaluate,
        "cross-section": cross_section.cross_section,
        "plane-fit": plane_fit.plane_fit,
        "animate": animate.animate,
        "bench": bench.bench,
    },
    USE: {"live": live.live, "denoise": denoise.denoise, "convert": convert.convert},
    MAKE: {"simulate": simulate.simulate, "train": train.train, "export": export.export},
}
for panel, commands in COMMANDS.items():
    for name, command in commands.items():
        app.command(name, cls=Command, rich_help_panel=panel)(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rs_denoise {installed_version('rs_denoise')}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs a command."""
    run(app, "rs_denoise")


if __name__ == "__main__":
    main()
