"""The program `rs_denoise`."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from typing import Annotated, ClassVar

import typer

from rs_denoise.cli.command_help import CommandGroup
from rs_denoise.cli.program import run


class Commands(CommandGroup):
    """The commands, with the first paragraph of their help (a test compares the two)."""

    package = "rs_denoise.cli"
    panels: ClassVar = {
        "Evaluate": {
            "demo": "Plays a recording at 30 Hz through the node over DDS, and writes a report of "
            "the result.",
            "evaluate": "Measures whether denoising helps on recordings, with ground truth or "
            "without.",
            "cross-section": "Plots raw, denoised and true depth along a line.",
            "plane-fit": "Measures how flat walls and floors are, raw and denoised (Intel's Depth "
            "Quality metrics).",
            "animate": "Animates the point clouds of a frame: raw, denoised and, if known, ground "
            "truth.",
            "bench": "Times the denoiser without ROS, librealsense's filters, and the node over "
            "DDS.",
        },
        "Denoise recordings and cameras": {
            "live": "Shows raw and denoised depth of a camera side by side, with rates and times, "
            "without ROS.",
            "denoise": "Denoises every frame of recordings. Repeat the command to resume a stopped "
            "run.",
            "convert": "Writes the depth, infrared and ground truth of a recording in another "
            "format.",
        },
        "Make models": {
            "simulate": "Renders scenes as a simulated RealSense camera measures them, with "
            "ground truth.",
            "train": "Trains a network. Repeat the command to resume a stopped run from its last "
            "checkpoint.",
            "export": "Exports a checkpoint to a model file (TorchScript with a manifest) and a "
            "model card.",
        },
    }


app = typer.Typer(
    cls=Commands,
    help="Denoises the depth of RealSense cameras; the ROS 2 node is `denoise_node`.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


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
