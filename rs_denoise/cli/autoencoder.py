"""`ros2 run rs_denoise autoencoder`: the command line of the Denoise-Autoencoder of 2020.

The Denoise-Autoencoder for 3D cameras trained Keras networks on crops of depth and infrared. This
program has its flags and folders, and runs on this library.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.markup import escape
from rich.progress import track

from rs_denoise.camera import CameraError
from rs_denoise.cli.command_help import Command
from rs_denoise.cli.console import count_frames, make_console
from rs_denoise.cli.program import run
from rs_denoise.depth import to_uint16_mm
from rs_denoise.recordings.folders.autoencoder_folder import (
    DEPTH,
    INFRARED,
    TRUTH,
    AutoencoderFrame,
    find_autoencoder_frames,
)
from rs_denoise.recordings.folders.raw_images import convert_raw
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.images import write_png

if TYPE_CHECKING:
    from rs_denoise.denoiser import Denoiser

IMAGES, LOGS, MODELS = Path("images"), Path("logs"), Path("models")
TRAIN, TRAIN_CROPPED = IMAGES / "train", IMAGES / "train_cropped"
TRAIN_MASKED = IMAGES / "train_masked"
TEST, TEST_CROPPED, DENOISED = IMAGES / "test", IMAGES / "test_cropped", IMAGES / "denoised"
TILE_PX = 480
SUFFIX = ".model"
MODEL_FILE, CHECKPOINT = "model.pt", "last.ckpt"

console, warnings = make_console(), make_console(stderr=True)


class AutoencoderError(RuntimeError):
    """Wrong input; the message says what to do."""


def autoencoder(
    train: Annotated[bool, typer.Option("-n", "--train", help="Train on the crops.")] = False,
    test: Annotated[bool, typer.Option("-t", "--test", help="Denoise the test images.")] = False,
    statistics: Annotated[
        bool,
        typer.Option("-s", "--statistics", help="Compare denoised images with ground truth."),
    ] = False,
    crop: Annotated[
        bool, typer.Option("-c", "--crop", help="Cut the training images into crops of 128x128.")
    ] = False,
    convert: Annotated[
        bool, typer.Option("-r", "--convert_raw", help="Convert all .raw images to PNG first.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, metavar="N", help="Passes over the crops.")] = 100,
    train_path: Annotated[
        Path | None,
        typer.Option(
            "--train_path",
            metavar="FOLDER",
            help="Folder with gt-, res- and left-*.png to train on.",
            show_default="images/train",
        ),
    ] = None,
    test_path: Annotated[
        Path | None,
        typer.Option(
            "--test_path",
            metavar="FOLDER",
            help="Folder with res- and left-*.png to denoise.",
            show_default="images/test",
        ),
    ] = None,
    model_path: Annotated[
        Path | None,
        typer.Option(
            "--model_path",
            metavar="FOLDER",
            help="A folder in models/. Also: --keras_model_path.",
            show_default="the newest",
        ),
    ] = None,
    keras_model_path: Annotated[
        Path | None, typer.Option("--keras_model_path", metavar="FOLDER", hidden=True)
    ] = None,
    network: Annotated[
        str,
        typer.Option(
            metavar="NETWORK",
            help="unet-classic, autoencoder-classic, ccgan-classic, unet, unet-tiny.",
        ),
    ] = "unet-classic",
) -> None:
    """Crops, trains, denoises and compares, as the Denoise-Autoencoder of 2020 did.

    It works in the current folder and makes images/, logs/ and models/ there.

    Several flags run in this order: convert, crop, train, test, statistics.

    Training cuts crops if there are none, or if --train_path is given.

    With --model_path, training continues from that model and writes a new one.
    """
    model_path = model_path or keras_model_path
    if not (train or test or statistics or crop or convert):
        raise AutoencoderError("nothing to do: give -c, -n, -t, -s or -r (see --help)")
    if train:
        from rs_denoise.training.config import TrainingConfig

        TrainingConfig.read(None, network=network)  # rejects an unknown one before any work
    for folder in (TRAIN, TRAIN_CROPPED, TRAIN_MASKED, TEST, TEST_CROPPED, DENOISED, LOGS, MODELS):
        folder.mkdir(parents=True, exist_ok=True)
    train_images, test_images = (
        _require_folder(train_path) or TRAIN,
        _require_folder(test_path) or TEST,
    )
    if convert:
        _convert((train_images, test_images))
    if crop or (train and (train_path or not find_autoencoder_frames(TRAIN_CROPPED))):
        _crop(train_images)
    if train:
        model_path = _train(epochs, _require_folder(model_path), network)
    if test:
        _test(test_images, _require_folder(model_path) or _newest_model())
    if statistics:
        _compare_with_truth(test_images)


def _require_folder(path: Path | None) -> Path | None:
    if path is not None and not path.is_dir():
        raise AutoencoderError(f"{path}: no such folder")
    return path


def _convert(folders: tuple[Path, ...]) -> None:
    files = [path for folder in folders for path in sorted(folder.glob("*.raw"))]
    for path in files:
        convert_raw(path)
    console.print(f"converted {len(files)} .raw images")


def _crop(images: Path) -> None:
    from rs_denoise.training.autoencoder_crops import write_crops

    triples = find_autoencoder_frames(images)
    if not triples:
        raise AutoencoderError(
            f"{images}: contains no {DEPTH}*.png; put {TRUTH}NAME.png, {DEPTH}NAME.png and "
            f"{INFRARED}NAME.png there, or name their folder with --train_path"
        )
    counts = Counter[str]()
    for triple in track(triples, "cropping", console=console):
        frame = _read_frame(triple)
        counts["readable"] += frame is not None
        if frame is None or frame.ground_truth_mm is None:
            continue
        if not counts["cropped"]:  # Earlier crops stay if none can be made of these frames.
            _clear(TRAIN_CROPPED, TRAIN_MASKED)
        counts["crops"] += write_crops(frame, TRAIN_MASKED, TRAIN_CROPPED)
        counts["cropped"] += 1
        counts["dark"] += frame.infrared is None
    if not counts["readable"]:
        raise AutoencoderError(f"{images}: no frame in it can be read")
    if not counts["cropped"]:
        raise AutoencoderError(f"{images}: no frame has ground truth ({TRUTH}*.png)")
    frames = count_frames(counts["cropped"])
    console.print(f"{counts['crops']} crops of {frames} in {TRAIN_CROPPED}")
    _note_missing(TRUTH, counts["readable"] - counts["cropped"], "left out")
    _note_missing(INFRARED, counts["dark"], "cropped with black infrared")


def _train(epochs: int, old: Path | None, network: str) -> Path:
    from rs_denoise.training.autoencoder_crops import CROP_PX
    from rs_denoise.training.config import TrainingConfig
    from rs_denoise.training.export import export, load_network
    from rs_denoise.training.train import TrainingStopped, train

    crops = find_autoencoder_frames(TRAIN_CROPPED)
    held_out = max(1, len(crops) // 20)
    if len(crops) < 2:
        raise AutoencoderError(
            f"{TRAIN_CROPPED}: {len(crops)} crops are too few to train on; at least 2 are needed"
        )
    name = f"DEPTH_{datetime.now():%Y-%m-%d-%H%M%S}"
    if old is not None:
        name = f"{old.name.removesuffix(SUFFIX)}_new"
        network = load_network(_require_file(old, CHECKPOINT))[0]
    out = MODELS / f"{name}{SUFFIX}"
    if out.exists():
        raise AutoencoderError(
            f"{out} is there already: move it away, or continue training it with --model_path"
        )
    config = TrainingConfig(
        network=network, epochs=epochs, learning_rate=1e-3, crop_px=CROP_PX, crops_per_frame=1,
        frames_per_batch=min(16, len(crops) - held_out), ema_decay=0.0,
        start_from=str(old / CHECKPOINT) if old else None,
    )  # fmt: skip
    try:
        checkpoint = train(list(crops[:-held_out]), list(crops[-held_out:]), out, config, logs=LOGS)
    except TrainingStopped as stopped:
        warnings.print(
            f"{stopped}. --model_path {out} trains it further.", highlight=False, soft_wrap=True
        )
        raise typer.Exit(stopped.exit_code) from None
    export(checkpoint, out / MODEL_FILE, name, f"{len(crops)} crops of {TRAIN}")
    console.print(f"trained {out}")
    return out


def _newest_model() -> Path:
    models = [path for path in MODELS.glob(f"*{SUFFIX}") if (path / MODEL_FILE).exists()]
    if not models:
        raise AutoencoderError(
            f"{MODELS} holds no model: train one with -n, or name one with --model_path"
        )
    return max(models, key=lambda path: (path / MODEL_FILE).stat().st_mtime)


def _require_file(model: Path, name: str) -> Path:
    if not (model / name).exists():
        if (model / CHECKPOINT).exists():
            raise AutoencoderError(
                f"{model}: has no {name}, because its training was stopped; train it further with "
                f"-n --model_path {model}"
            )
        raise AutoencoderError(f"{model}: has no {name}; it is not a model that -n trained")
    return model / name


def _test(images: Path, model_path: Path) -> None:
    from rs_denoise.denoiser import Denoiser
    from rs_denoise.gate import Gate
    from rs_denoise.precision import load_with_fallback

    model = load_with_fallback(_require_file(model_path, MODEL_FILE))
    triples = find_autoencoder_frames(images)
    count = dark = 0
    if not triples:
        _clear(TEST_CROPPED, DENOISED)
    for triple in track(triples, escape(f"denoising with {model_path.name}"), console=console):
        frame = _read_frame(triple)
        if frame is None:
            continue
        if not count:  # Earlier results stay if no frame can be read.
            _clear(TEST_CROPPED, DENOISED)
        count += 1
        dark += frame.infrared is None
        # The Denoise-Autoencoder had no gate: every measured pixel is published.
        denoiser = Denoiser(model, frame.camera, Gate(0.0, 0.0, math.inf), tile_px=TILE_PX)
        _write_tiles(triple, frame.depth_mm, denoiser)
        depth_mm = denoiser.denoise(frame.depth_mm, frame.infrared).depth_mm
        write_png(DENOISED / f"{DEPTH}{triple.name}.png", to_uint16_mm(depth_mm))
    if triples and not count:
        raise AutoencoderError(f"{images}: no frame in it can be read")
    console.print(f"{count_frames(count)} of {images} in {DENOISED}")
    _note_missing(INFRARED, dark, "denoised from depth alone")


def _note_missing(prefix: str, count: int, consequence: str) -> None:
    if count:
        console.print(
            f"without {prefix}*.png: {count_frames(count)}, {consequence}", style="yellow"
        )


def _clear(*folders: Path) -> None:
    for folder in folders:
        for old in folder.glob("*.png"):
            old.unlink()


def _read_frame(triple: AutoencoderFrame) -> Frame | None:
    """The frame; None if it cannot be read, which is printed."""
    try:
        return triple()
    except (RecordingError, CameraError, OSError) as error:
        text = f"skipped {triple.name}: {error}"
        warnings.print(text, style="yellow", highlight=False, soft_wrap=True)
        return None


def _write_tiles(triple: AutoencoderFrame, depth_mm: np.ndarray, denoiser: Denoiser) -> None:
    padded = [denoiser.tiling.padded(n) for n in depth_mm.shape]
    for tile in denoiser.tiling.tiles(*padded):
        name = f"{DEPTH}{triple.name}-{tile.rows.start}-{tile.columns.start}.png"
        write_png(TEST_CROPPED / name, np.ascontiguousarray(depth_mm[tile.rows, tile.columns]))


def _compare_with_truth(images: Path) -> None:
    from rs_denoise.drawing.picture import colour_error
    from rs_denoise.evaluation.metrics.difference import Difference

    untrained: list[str] = []
    lines = ["frame raw_mean raw_median raw_rms denoised_mean denoised_median denoised_rms (mm)"]
    for triple in find_autoencoder_frames(images):
        frame, denoised = _read_frame(triple), AutoencoderFrame(DENOISED, triple.name)
        if frame is None or frame.ground_truth_mm is None or not denoised.path(DEPTH).exists():
            continue
        result = _read_frame(denoised)
        if result is None:
            continue
        after = result.depth_mm
        differences = [
            Difference.of(depth, frame.ground_truth_mm) for depth in (frame.depth_mm, after)
        ]
        numbers = (n for d in differences for n in (d.mean_mm, d.median_mm, d.rms_mm))
        lines.append(f"{triple.name} " + " ".join(f"{n:.2f}" for n in numbers))
        if _is_mostly_wrong(after, frame.ground_truth_mm):
            untrained.append(triple.name)
        for kind, depth in (("raw", frame.depth_mm), ("denoised", after)):
            picture = colour_error(depth, frame.ground_truth_mm)
            write_png(DENOISED / f"difference-{kind}-{triple.name}.png", picture)
    if len(lines) == 1:
        raise AutoencoderError(
            f"nothing to compare: {DENOISED} and {images} share no frame with {TRUTH}*.png; "
            "denoise with -t first"
        )
    log = LOGS / f"statistics-{datetime.now():%Y-%m-%d-%H%M%S}.log"
    log.write_text("\n".join(lines) + "\n")
    console.print("\n".join(lines), soft_wrap=True)
    console.print(f"also in {log}; coloured differences in {DENOISED}")
    if untrained:
        text = (
            f"most denoised pixels of {', '.join(untrained)} are more than 10 % off, so "
            "their difference pictures have nearly one colour: the model was trained too little "
            "(raise --epochs), or on images of another kind"
        )
        warnings.print(text, style="yellow", highlight=False, soft_wrap=True)


def _is_mostly_wrong(depth_mm: np.ndarray, truth_mm: np.ndarray) -> bool:
    """Whether most pixels have the full colour of a difference picture."""
    from rs_denoise.drawing.picture import FULL_SCALE

    both = (depth_mm > 0) & (truth_mm > 0)
    error = np.abs(depth_mm[both].astype(np.float32) - truth_mm[both])
    return bool(both.any() and np.mean(error > FULL_SCALE * truth_mm[both]) > 0.5)


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command(cls=Command)(autoencoder)


def main() -> None:
    """Runs the command."""
    run(app, "autoencoder")


if __name__ == "__main__":
    main()
