"""`rs_denoise export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Of `rs_denoise train`.")],
    out: Annotated[Path, typer.Argument(help="The model file to write.")],
    name: Annotated[str, typer.Option(help="What the model calls itself.")],
    training_data: Annotated[str, typer.Option(help="What it was trained on, in words.")],
) -> None:
    """Writes a checkpoint as a model file: TorchScript with a manifest."""
    from rs_denoise.training.export import export as run

    manifest = run(checkpoint, out, name, training_data, metrics={})
    print(f"{out}: {manifest.network}, sees {manifest.receptive_field_px} px far")
