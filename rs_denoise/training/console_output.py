"""The console output of a training run: the remaining time, without Lightning's messages."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_info

# The first steps are slower: memory is allocated and kernels are chosen.
MEASURED_STEPS = 10
SIGTERM = "SIGTERM"
ADVERTISEMENT = "Tip: For seamless cloud"
# About Lightning's and PyTorch's internals, which users cannot change.
IRRELEVANT_WARNINGS = (
    r"Checkpoint directory .* exists and is not empty",  # it holds the run's config.yaml
    r".*LeafSpec.*",
    r".*does not have many workers.*",
    # The rest of an interrupted epoch begins with the epoch's first frames again.
    r"You're resuming from a checkpoint that ended before the epoch ended.*",
    r"Grad strides do not match bucket view strides.*",
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Suppresses Lightning's advertisements, and its warnings about itself."""
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict
               if name.startswith(("lightning", "pytorch_lightning"))]  # fmt: skip
    for logger in loggers:
        logger.addFilter(_is_useful)
    try:
        with warnings.catch_warnings():
            for message in IRRELEVANT_WARNINGS:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_useful)


def _is_useful(record: logging.LogRecord) -> bool:
    # Lightning logs SIGTERM in its signal handler. If the signal came while a line was printed, the
    # handler failed for that reason, and the run went on.
    return ADVERTISEMENT not in record.getMessage() and SIGTERM not in record.getMessage()


class RemainingTime(Callback):
    """Prints once, after ten steps, how long the run will take."""

    def __init__(self) -> None:
        self._steps, self._started_s = 0, 0.0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Starts the clock."""
        self._steps, self._started_s = 0, time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts a step."""
        self._steps += 1
        if self._steps != MEASURED_STEPS:
            return
        step_s = (time.monotonic() - self._started_s) / MEASURED_STEPS
        assert trainer.max_epochs is not None
        epochs = trainer.max_epochs - trainer.current_epoch
        steps = int(trainer.num_training_batches) * epochs - batch_idx - 1
        if steps > 0:
            rank_zero_info(
                f"about {format_duration(step_s * steps)} left: {steps} steps of {step_s:.2g} s, "
                "and validation"
            )


def format_duration(seconds: float) -> str:
    """A duration in a suitable unit: "50 s", "12 min", "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
