"""`rs_denoise train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    data: Annotated[Path, typer.Argument(help="Folder of frames with ground truth.")],
    out: Annotated[Path, typer.Argument(help="For checkpoints and figures; resumed if it exists.")],
    epochs: Annotated[int, typer.Option(min=1)] = 30,
    learning_rate: Annotated[float, typer.Option(min=0)] = 3e-3,
    seed: Annotated[int, typer.Option()] = 0,
    validation_share: Annotated[float, typer.Option(min=0, max=0.5)] = 0.05,
) -> None:
    """Trains the U-Net; a run that was stopped goes on from its last checkpoint."""
    from rs_denoise.training.train import train as run

    print(run(data, out, epochs, learning_rate, seed, validation_share))
