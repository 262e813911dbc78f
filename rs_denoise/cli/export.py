"""`rs_denoise export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Of `rs_denoise train`.")],
    out: Annotated[Path, typer.Argument(help="The model file to write.")],
    name: Annotated[str, typer.Option(help="What the model calls itself.")],
    training_data: Annotated[str, typer.Option(help="What it was trained on, in words.")],
    evaluation: Annotated[
        Path | None, typer.Option(help="JSON of `rs_denoise evaluate`, kept in the manifest.")
    ] = None,
) -> None:
    """Writes a checkpoint as a model file: TorchScript with a manifest."""
    from rs_denoise.training.export import export as run

    metrics: dict[str, float] = {}
    if evaluation is not None:
        blocks = json.loads(evaluation.read_text())["methods"]["denoised"]
        metrics = {f"{b}.{k}": v for b, figures in blocks.items() for k, v in figures.items()}
    manifest = run(checkpoint, out, name, training_data, metrics)
    print(f"{out}: {manifest.network}, sees {manifest.receptive_field_px} px far")
