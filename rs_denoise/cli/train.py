"""`rs_denoise train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rs_denoise.cli import options
from rs_denoise.cli.recording_options import reads_recordings
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.overrides import NO_OVERRIDES, Overrides
from rs_denoise.recordings.random_access import FrameReader, find_frame_readers

HELD_OUT = 0.05
# Frames of recordings, in the run's folder.
UNPACKED = "unpacked"
# Every run has this file from its beginning.
CONFIG = "config.yaml"
BESIDE_A_RUN = (".yaml", ".yml", ".log")


@reads_recordings
def train(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA",
            help="Frames with ground truth: frame folders, gt-, res-, left-*.png, or rosbag2.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the run: checkpoints, metrics, pictures. A run in it is resumed.",
        ),
    ],
    validation: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER", help="Frames to validate on.", show_default="the last 5 % of the data"
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML file of settings; OUT/config.yaml lists them all."),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NETWORK",
            help="unet, unet-tiny-stereo, unet-tiny, autoencoder-classic, unet-classic or "
            "ccgan-classic.",
            show_default="unet",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Number of passes over the frames.", show_default="30"
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(min=0, metavar="RATE", help="Peak learning rate.", show_default="0.003"),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL",
            help="Weights that a new run begins with: a checkpoint, a model file, or the name of a "
            "shipped model.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Seed of weights, crops and augmentation.", show_default="0"
        ),
    ] = None,
    overrides: Overrides = NO_OVERRIDES,
) -> None:
    """Trains a network. Repeat the command to resume a stopped run from its last checkpoint."""
    for path in (*data, *(validation or ())):
        if not path.exists():
            raise RecordingError(f"{path}: no such file or folder")
    _check_run_folder(out)
    _warn_of_shared_frames(data, validation or [])
    from rs_denoise.training.config import TrainingConfig
    from rs_denoise.training.train import TrainingStopped, is_first_process
    from rs_denoise.training.train import train as run

    settings = TrainingConfig.read(
        config,
        network=network,
        epochs=epochs,
        learning_rate=learning_rate,
        start_from=str(start_from) if start_from else None,
        seed=seed,
    )
    frames = _find_readers(data, out, overrides)
    if validation:
        held_out = _find_readers(validation, out, overrides)
    else:
        # The last by name: a scene and its other noisy versions stay together.
        count = max(1, round(HELD_OUT * len(frames)))
        frames, held_out = frames[:-count], frames[-count:]
    try:
        checkpoint = run(frames, held_out, out, settings)
    except TrainingStopped as stopped:
        print(f"{stopped}. Repeat the command to resume it.", file=sys.stderr)
        raise typer.Exit(stopped.exit_code) from None
    if is_first_process():
        print(checkpoint)


def _check_run_folder(out: Path) -> None:
    """Rejects a folder that holds something other than a run, or what may be put beside one.

    Also one that cannot be written to.
    """
    options.check_out_folder(out)
    if out.is_dir() and not (out / CONFIG).exists():
        names = sorted(path.name for path in out.iterdir())
        others = [name for name in names if name != UNPACKED and not name.endswith(BESIDE_A_RUN)]
        if others:
            raise typer.BadParameter(
                f"{out} holds {others[0]} and no run: choose a new or an empty folder",
                param_hint="'--out'",
            )


def _warn_of_shared_frames(data: list[Path], validation: list[Path]) -> None:
    both = {path.resolve() for path in data} & {path.resolve() for path in validation}
    for path in sorted(both):
        print(
            f"{path}: is trained on and validated on: the validation metrics do not say how good "
            "the model is on other frames",
            file=sys.stderr,
        )


def _find_readers(folders: list[Path], out: Path, overrides: Overrides) -> list[FrameReader]:
    found = (find_frame_readers(folder, out / UNPACKED, overrides) for folder in folders)
    return [reader for readers in found for reader in readers]
