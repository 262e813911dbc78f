"""The program `rs_denoise`."""

from __future__ import annotations

import sys

import typer

from rs_denoise.camera import CameraError
from rs_denoise.cli import demo, denoise, evaluate, export, simulate, train

app = typer.Typer(
    help="Denoises the depth of RealSense cameras; the ROS 2 node is `denoise_node`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("denoise")(denoise.denoise)
app.command("evaluate")(evaluate.evaluate)
app.command("simulate")(simulate.simulate)
app.command("train")(train.train)
app.command("export")(export.export)


def main() -> None:
    """Runs a command; what the user can mend is a sentence on stderr and exit code 2."""
    try:
        app()
    except (CameraError, OSError, ValueError, RuntimeError) as error:
        if not type(error).__module__.startswith("rs_denoise") and not isinstance(error, OSError):
            raise
        print(f"rs_denoise: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
