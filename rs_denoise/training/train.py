"""Trains the U-Net on folders of frames with ground truth; resumes from its last checkpoint."""

from __future__ import annotations

from pathlib import Path

import lightning
from lightning.pytorch.callbacks import (
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from rs_denoise.recordings.image_folder import find_frames
from rs_denoise.training.data import CropDataset
from rs_denoise.training.lightning_module import DenoisingModule

CROP_PX = 192
CROPS_PER_FRAME = 4
FRAMES_PER_BATCH = 4
EMA_DECAY = 0.995


class TrainingError(ValueError):
    """Data that cannot be trained on."""


def train(
    data: Path, out: Path, epochs: int, learning_rate: float, seed: int, validation_share: float
) -> Path:
    """Trains, or goes on where a run in `out` was stopped.

    Args:
        data: a folder of frame folders; its last frames by name are the validation set, so that
            a scene and its other noisy versions stay together.
        out: for checkpoints and metrics.csv.

    Returns:
        The checkpoint of the end, `out`/last.ckpt, with averaged weights.

    Raises:
        TrainingError: there are too few frames.
    """
    lightning.seed_everything(seed, workers=True)
    folders, _ = find_frames(data)
    held_out = max(1, round(len(folders) * validation_share))
    if len(folders) - held_out < FRAMES_PER_BATCH:
        raise TrainingError(
            f"{data}: {len(folders)} frames, {held_out} of them for validation; training needs at "
            f"least {FRAMES_PER_BATCH} more (some hundreds to be of use)"
        )
    train_set = CropDataset(folders[:-held_out], CROP_PX, CROPS_PER_FRAME, True, seed)
    validation_set = CropDataset(folders[-held_out:], CROP_PX, CROPS_PER_FRAME, False, seed)
    loader = DataLoader(
        train_set, FRAMES_PER_BATCH, shuffle=True, drop_last=True, num_workers=1,
        persistent_workers=True,
    )  # fmt: skip
    checkpoints = ModelCheckpoint(
        out, filename="{epoch}", save_last=True, every_n_train_steps=100, save_top_k=1
    )
    trainer = lightning.Trainer(
        default_root_dir=out,
        max_epochs=epochs,
        precision="bf16-mixed",
        gradient_clip_val=1.0,
        callbacks=[
            checkpoints,
            EMAWeightAveraging(decay=EMA_DECAY),
            LearningRateMonitor("step"),
        ],
        logger=CSVLogger(out, name="log"),
        log_every_n_steps=20,
    )
    last = out / "last.ckpt"
    trainer.fit(
        DenoisingModule(learning_rate, total_steps=epochs * len(loader)),
        loader,
        DataLoader(validation_set, FRAMES_PER_BATCH),
        ckpt_path=last if last.exists() else None,
        weights_only=True,
    )
    trainer.save_checkpoint(last)
    return last
