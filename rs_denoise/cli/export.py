"""`rs_denoise export`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from rs_denoise.cli import options
from rs_denoise.cli.console import make_console
from rs_denoise.cli.recording_options import reads_recordings
from rs_denoise.recordings.overrides import NO_OVERRIDES, Overrides
from rs_denoise.shipped_models import model_file


@reads_recordings
def export(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="Written by `rs_denoise train`; with --onnx also a model file, or the name of a "
            "shipped model.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="Model file to write; a model card is written next to it. With --onnx the ONNX "
            "file, with the manifest as metadata.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the model. Needed for a checkpoint.")
    ] = None,
    training_data: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Description of the training data. Needed for a checkpoint."
        ),
    ] = None,
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
    onnx: Annotated[
        bool,
        typer.Option("--onnx", help="Write ONNX, for other runtimes, instead of a model file."),
    ] = False,
    overrides: Overrides = NO_OVERRIDES,
) -> None:
    """Exports a checkpoint to a model file (TorchScript with a manifest) and a model card.

    A model with a larger mean error than its input is rejected, unless --force is given. --onnx
    writes ONNX instead, from a checkpoint or a model file.
    """
    options.check_out(out)
    if out.suffix == ".md":
        raise typer.BadParameter(f"{out}: is the name of the model card; name the model file")
    file = model_file(checkpoint)
    if not file.exists():
        raise typer.BadParameter(f"{checkpoint}: no such checkpoint")
    from rs_denoise.model_archive import is_model_file

    if onnx and is_model_file(file):
        if name or training_data or validation or force:
            raise typer.BadParameter(
                f"{checkpoint} is a model file, whose manifest stays as it is; --name, "
                "--training-data, --validation and --force are for a checkpoint"
            )
        _write_onnx(file, out)
        return
    if is_model_file(file):
        raise typer.BadParameter(f"{checkpoint} is a model file already; only --onnx takes one")
    if name is None or training_data is None:
        raise typer.BadParameter("a checkpoint needs --name and --training-data")
    from rs_denoise.recordings.recording import open_recording

    frames = open_recording(validation, overrides) if validation else None
    from rs_denoise.training.export import export as run

    with TemporaryDirectory() as folder:
        made = Path(folder) / "model.pt" if onnx else out
        try:
            manifest = run(checkpoint, made, name, training_data, frames, force)
        finally:  # also if the model is refused
            if frames is not None:
                options.print_remarks(make_console(stderr=True), frames.notes, frames.skipped)
        if onnx:
            _write_onnx(made, out)
            return
    make_console().print(
        f"{out}: {manifest.network}, {manifest.verdict}, "
        f"receptive field {manifest.receptive_field_px} px to each side"
    )


def _write_onnx(file: Path, out: Path) -> None:
    from rs_denoise.training.onnx_export import export_onnx

    manifest = export_onnx(file, out)
    make_console().print(
        f"{out}: {manifest.network}, height and width are multiples of {manifest.stride_px}, "
        f"takes {', '.join(manifest.inputs)}",
        soft_wrap=True,
    )
