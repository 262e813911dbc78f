"""Trains a network on folders of frames with ground truth; resumes from its last checkpoint."""

from __future__ import annotations

from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader

from rs_denoise.recordings.readers import Reader
from rs_denoise.training.config import TrainingConfig
from rs_denoise.training.data import CropDataset
from rs_denoise.training.lightning_module import TrainingModule, module_for
from rs_denoise.training.pictures import BeforeAfter

CHECKPOINT_EVERY = 100
LAST = "last.ckpt"


class TrainingError(ValueError):
    """Data that cannot be trained on, or a checkpoint that cannot be gone on from."""


def train(
    frames: list[Reader],
    held_out: list[Reader],
    out: Path,
    config: TrainingConfig,
    logs: Path | None = None,
) -> Path:
    """Trains, or goes on where a run in `out` was stopped.

    Args:
        frames: readers of frames with ground truth, to learn from.
        held_out: others, to validate on.
        out: for checkpoints and config.yaml.
        config: the settings.
        logs: for metrics.csv and TensorBoard's files; None: `out`.

    Returns:
        The checkpoint of the end, `out`/last.ckpt, with averaged weights.

    Raises:
        TrainingError: there are too few frames, or `start_from` is of another network.
    """
    lightning.seed_everything(config.seed, workers=True)
    loader = _loader(frames, config, augment=True)
    validation = _loader(held_out, config, augment=False)
    processes = config.devices * config.nodes
    module = module_for(config.network)(
        config.network,
        config.learning_rate,
        total_steps=config.epochs * max(len(loader) // processes, 1),
    )
    last = out / LAST
    if config.start_from and not last.exists():
        _start_from(module, Path(config.start_from))
    out.mkdir(parents=True, exist_ok=True)
    config.write(out / "config.yaml")
    trainer = lightning.Trainer(
        default_root_dir=out,
        max_epochs=config.epochs,
        devices=config.devices,
        num_nodes=config.nodes,
        strategy="ddp" if processes > 1 else "auto",
        precision=config.precision,  # type: ignore[arg-type]
        gradient_clip_val=1.0 if module.automatic_optimization else None,
        callbacks=_callbacks(out, config),
        logger=[CSVLogger(logs or out, "log"), TensorBoardLogger(logs or out, "tensorboard")],
        log_every_n_steps=20,
    )
    trainer.fit(
        module, loader, validation, ckpt_path=last if last.exists() else None, weights_only=True
    )
    trainer.save_checkpoint(last)
    return last


def _loader(frames: list[Reader], config: TrainingConfig, augment: bool) -> DataLoader:
    if len(frames) < (config.frames_per_batch if augment else 1):
        use = "training" if augment else "validation"
        raise TrainingError(
            f"{len(frames)} frames for {use}, but a batch takes {config.frames_per_batch} "
            "(some hundreds are of use): add frames, or lower frames_per_batch"
        )
    crops = CropDataset(frames, config.crop_px, config.crops_per_frame, augment, config.seed)
    return DataLoader(
        crops,
        config.frames_per_batch,
        shuffle=augment,
        drop_last=augment,
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
    )


def _callbacks(out: Path, config: TrainingConfig) -> list[Callback]:
    callbacks: list[Callback] = [
        ModelCheckpoint(
            out, filename="step", save_last=True, every_n_train_steps=CHECKPOINT_EVERY,
            enable_version_counter=False,
        ),
        LearningRateMonitor("step"),
        BeforeAfter(),
    ]  # fmt: skip
    if config.ema_decay > 0:
        callbacks.append(EMAWeightAveraging(decay=config.ema_decay))
    if config.patience > 0:
        callbacks.append(EarlyStopping("val/loss", patience=config.patience))
    return callbacks


def _start_from(module: TrainingModule, checkpoint: Path) -> None:
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise TrainingError(f"{checkpoint}: not of this network: {error}") from error
