"""Trains a network on frames with ground truth, or resumes a run from its last checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

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
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader

from rs_denoise.recordings.random_access import FrameReader
from rs_denoise.training.config import TrainingConfig
from rs_denoise.training.console_output import RemainingTime, quiet_lightning
from rs_denoise.training.crop_dataset import CropDataset, EpochSampler
from rs_denoise.training.initial_weights import load_initial_weights
from rs_denoise.training.lightning_modules import TrainingModule, module_for
from rs_denoise.training.precision import choose_training_precision
from rs_denoise.training.resumption import check_resumable
from rs_denoise.training.tensorboard_pictures import BeforeAfter

CHECKPOINT_EVERY_STEPS, LOG_EVERY_STEPS = 100, 20
LAST = "last.ckpt"
# Number of batches after which the statistics of a channel are stable.
MAX_BATCHES = 8


class TrainingError(ValueError):
    """Too few frames, or a checkpoint of another network."""


class TrainingStopped(RuntimeError):
    """SIGTERM or Ctrl-C stopped the run; the message says where its state is.

    Args:
        stopped_by: the signal.
        step: the last step of the run.
        checkpoint: its state.

    Attributes:
        exit_code: of a program that the signal stopped.
    """

    def __init__(self, stopped_by: signal.Signals, step: int, checkpoint: Path) -> None:
        super().__init__(
            f"{stopped_by.name} stopped the run after step {step}; {checkpoint} holds its state"
        )
        self.exit_code = 128 + stopped_by


class CropDataModule(lightning.LightningDataModule):
    """Crops for training, divided among the processes, and for validation, the same for each.

    Raises:
        TrainingError: there are fewer frames than a batch needs.
    """

    def __init__(
        self, frames: list[FrameReader], held_out: list[FrameReader], config: TrainingConfig
    ):
        super().__init__()
        self.config = config
        self.processes = config.devices * config.nodes
        needed = config.frames_per_batch * self.processes
        if len(frames) < needed or not held_out:
            raise TrainingError(
                f"{len(frames)} frames for training and {len(held_out)} for validation, but at "
                f"least {needed} and 1 are needed (better some hundreds): add frames, or lower "
                "frames_per_batch"
            )
        shape = config.crop_px, config.crops_per_frame
        self.training = CropDataset(
            frames, *shape, augment=True, seed=config.seed, max_wrong_pct=config.max_wrong_pct
        )
        # The same crops for any seed, so that runs can be compared.
        self.validation = CropDataset(held_out, *shape, augment=False, seed=0)

    @property
    def steps_per_epoch(self) -> int:
        """Steps per epoch; frames that do not fill a batch of every process are dropped."""
        return len(self.training) // self.processes // self.config.frames_per_batch

    def train_dataloader(self) -> DataLoader:  # noqa: D102
        rank = self.trainer.global_rank if self.trainer else 0
        sampler = EpochSampler(
            self.training, self.processes, rank, seed=self.config.seed, drop_last=True
        )
        return self._loader(self.training, sampler=sampler, drop_last=True)

    def val_dataloader(self) -> DataLoader:  # noqa: D102
        return self._loader(self.validation)

    def some_batches(self) -> Iterator[dict[str, torch.Tensor]]:
        """The first training crops, for statistics."""
        return islice(iter(DataLoader(self.training, self.config.frames_per_batch)), MAX_BATCHES)

    def _loader(self, crops: CropDataset, **options: Any) -> DataLoader:
        workers = self.config.workers
        return DataLoader(
            crops, self.config.frames_per_batch, num_workers=workers,
            persistent_workers=workers > 0, worker_init_fn=_ignore_interrupt, **options,
        )  # fmt: skip


def is_first_process() -> bool:
    """Whether this is the process, of several that train together, that prints."""
    return rank_zero_only.rank == 0  # type: ignore[attr-defined]


def _ignore_interrupt(_: int) -> None:
    """A terminal sends Ctrl-C to the readers of frames too, but the run still ends its step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def train(
    frames: list[FrameReader],
    held_out: list[FrameReader],
    out: Path,
    config: TrainingConfig,
    logs: Path | None = None,
) -> Path:
    """Trains a network, or resumes the run in `out`.

    Args:
        frames: readers of frames with ground truth, to train on.
        held_out: readers of other frames, to validate on.
        out: folder of checkpoints and config.yaml.
        config: the settings.
        logs: for metrics.csv and TensorBoard's files; None: `out`.

    Returns:
        The last checkpoint, `out`/last.ckpt, with averaged weights.

    Raises:
        TrainingError: there are too few frames.
        UnusableFrame: none of the frames can be used, as without ground truth.
        TrainingStopped: SIGTERM or, of a run in one process, Ctrl-C came; the checkpoint is
            written, and the run can be resumed.
        ResumptionError: the run in `out` was begun with other settings.
        InitialWeightsError, ModelError: `start_from` is of another network, or cannot be read.
    """
    lightning.seed_everything(config.seed, workers=True)
    data = CropDataModule(frames, held_out, config)
    data.training.check_usable("training")
    data.validation.check_usable("validation")
    module = module_for(config.network)(
        config.network,
        config.learning_rate,
        total_steps=config.epochs * data.steps_per_epoch,
    )
    last = out / LAST
    if last.exists():
        check_resumable(last, config)
        if config.start_from:
            rank_zero_info(f"{out} contains a run, which goes on: start_from is for new runs")
    elif config.start_from:
        load_initial_weights(module, config.start_from, data.some_batches())
    out.mkdir(parents=True, exist_ok=True)
    config.write(out / "config.yaml")
    precision, reason = choose_training_precision(config.precision)
    rank_zero_info(f"precision: {precision} ({reason})")
    parameters = sum(p.numel() for p in module.network.parameters())
    rank_zero_info(f"network: {config.network}, {parameters / 1e6:.2f} million parameters")
    with quiet_lightning():
        _fit(
            _trainer(out, config, precision, module, logs, data.steps_per_epoch), module, data, last
        )
    return last


def _trainer(
    out: Path,
    config: TrainingConfig,
    precision: str,
    module: TrainingModule,
    logs: Path | None,
    steps_per_epoch: int,
) -> lightning.Trainer:
    return lightning.Trainer(
        default_root_dir=out,
        max_epochs=config.epochs,
        devices=config.devices,
        num_nodes=config.nodes,
        strategy="ddp" if config.devices * config.nodes > 1 else "auto",
        use_distributed_sampler=False,  # `CropDataModule` spreads its frames itself
        precision=precision,  # type: ignore[arg-type]
        gradient_clip_val=1.0 if module.automatic_optimization else None,
        callbacks=_callbacks(out, config),
        logger=[CSVLogger(logs or out, "log"), TensorBoardLogger(logs or out, "tensorboard")],
        log_every_n_steps=min(LOG_EVERY_STEPS, steps_per_epoch),
        enable_model_summary=False,  # it counts operations that were not measured
    )


def _fit(
    trainer: lightning.Trainer, module: TrainingModule, data: CropDataModule, last: Path
) -> None:
    checkpoint = last if last.exists() else None
    with _stop_on_interrupt(trainer) as interrupts:
        try:
            trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
        except SIGTERMException:
            stopped_by = signal.SIGINT if interrupts else signal.SIGTERM
            raise TrainingStopped(stopped_by, trainer.global_step, last) from None
    trainer.save_checkpoint(last, weights_only=False)
    if trainer.current_epoch < (trainer.max_epochs or 0):
        rank_zero_info(
            f"stopped after {trainer.current_epoch} of {trainer.max_epochs} epochs, because the "
            "validation loss no longer improves (patience)"
        )


@contextmanager
def _stop_on_interrupt(trainer: lightning.Trainer) -> Iterator[list[int]]:
    """Within the block the first Ctrl-C ends a run as SIGTERM does, after its step.

    Lightning would stop it within the step, and lose what was learnt since the last checkpoint. Of
    several processes each gets the signal, and Lightning ends them.

    Yields:
        Ctrl-C's signal, once it was pressed.
    """
    interrupts: list[int] = []

    def stop(number: int, _: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:  # the run has not begun
            raise KeyboardInterrupt
        interrupts.append(number)
        signal.raise_signal(signal.SIGTERM)

    # Not where Ctrl-C is ignored, as in the background of a script, nor in a thread.
    before = signal.getsignal(signal.SIGINT)
    takes_over = (
        trainer.world_size == 1
        and before is signal.default_int_handler
        and threading.current_thread() is threading.main_thread()
    )
    if takes_over:
        signal.signal(signal.SIGINT, stop)
    try:
        yield interrupts
    finally:
        if takes_over:
            signal.signal(signal.SIGINT, before)


class CheckpointOnSigterm(Callback):
    """Writes the checkpoint when SIGTERM ends the run; Lightning completes the step first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_exception(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, error: BaseException
    ) -> None:
        """Called by Lightning for every error that ends the run."""
        if isinstance(error, SIGTERMException):
            trainer.save_checkpoint(self._path, weights_only=False)


def _callbacks(out: Path, config: TrainingConfig) -> list[Callback]:
    callbacks: list[Callback] = [
        ModelCheckpoint(
            out, filename="step", save_last=True, every_n_train_steps=CHECKPOINT_EVERY_STEPS,
            enable_version_counter=False,
        ),
        LearningRateMonitor("step"),
        BeforeAfter(),
        RemainingTime(),
        CheckpointOnSigterm(out / LAST),
    ]  # fmt: skip
    if config.ema_decay > 0:
        callbacks.append(EMAWeightAveraging(decay=config.ema_decay))
    if config.patience > 0:
        callbacks.append(EarlyStopping("val/loss", patience=config.patience))
    return callbacks
