"""The program `rs_denoise`."""

from __future__ import annotations

import typer

from rs_denoise.cli import bench, demo, denoise, evaluate, export, simulate, train
from rs_denoise.cli.program import run

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
app.command("bench")(bench.bench)
app.command("train")(train.train)
app.command("export")(export.export)


def main() -> None:
    """Runs a command."""
    run(app, "rs_denoise")


if __name__ == "__main__":
    main()
