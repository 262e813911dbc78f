"""`rs_denoise export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def export(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="Written by `rs_denoise train`.")
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="Model file to write; a model card is written beside it."
        ),
    ],
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the model.")],
    training_data: Annotated[
        str, typer.Option(metavar="TEXT", help="Description of the training data.")
    ],
    validation: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Frames with ground truth to evaluate the model on."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Write the file even if the model is worse than no denoising."
        ),
    ] = False,
) -> None:
    """Exports a checkpoint to a model file (TorchScript with a manifest) and a model card.

    A model with a larger mean error than its input is refused, unless --force is given.
    """
    from rs_denoise.recordings.recording import open_recording

    if not checkpoint.exists():
        raise typer.BadParameter(f"{checkpoint}: no such checkpoint")
    frames = open_recording(validation) if validation else None
    from rs_denoise.training.export import export as run

    manifest = run(checkpoint, out, name, training_data, frames, force)
    Console().print(
        f"{out}: {manifest.network}, {manifest.verdict}, "
        f"receptive field {manifest.receptive_field_px} px to each side"
    )
