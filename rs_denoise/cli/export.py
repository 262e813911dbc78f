"""`rs_denoise export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Of `rs_denoise train`.")],
    out: Annotated[Path, typer.Argument(help="The model file to write; its card goes beside it.")],
    name: Annotated[str, typer.Option(help="What the model calls itself.")],
    training_data: Annotated[str, typer.Option(help="What it was trained on, in words.")],
    validation: Annotated[
        Path | None, typer.Option(help="Frames with ground truth to judge it by.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also if it is worse than leaving depth alone.")
    ] = False,
) -> None:
    """Writes a checkpoint as a model file: TorchScript with a manifest, and its card.

    A model that is worse than identity on the validation frames is refused without --force.
    """
    from rs_denoise.recordings.recording import open_recording
    from rs_denoise.training.export import export as run

    frames = open_recording(validation) if validation else None
    manifest = run(checkpoint, out, name, training_data, frames, force)
    Console().print(
        f"{out}: {manifest.network}, {manifest.verdict}, sees {manifest.receptive_field_px} px far"
    )
