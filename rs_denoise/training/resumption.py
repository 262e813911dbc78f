"""Checks whether a run can be resumed with the given settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from rs_denoise.training.config import TrainingConfig


class ResumptionError(ValueError):
    """A checkpoint that cannot be resumed; the message says why, and what to do."""


def check_resumable(checkpoint: Path, config: TrainingConfig) -> None:
    """Checks the settings that cannot be changed within a run.

    Network and learning rate are part of its state, and epochs that are already done cannot be
    undone.

    Args:
        checkpoint: the last one of the run.
        config: the settings to resume it with.

    Raises:
        ResumptionError: they do not fit, or the file cannot be read.
    """
    content = _read(checkpoint)
    begun_with = content["hyper_parameters"]
    for name in ("network", "learning_rate"):
        before, wanted = begun_with[name], getattr(config, name)
        if before != wanted:
            raise ResumptionError(
                f"{checkpoint.parent} contains a run with {name} {before}, which cannot be resumed "
                f"with {wanted}: use the same setting, or another folder"
            )
    if content["epoch"] > config.epochs:
        raise ResumptionError(
            f"{checkpoint.parent} contains a run of {content['epoch']} epochs: to resume it, set "
            f"epochs to a larger number, got {config.epochs}"
        )


def _advise(checkpoint: Path) -> str:
    earlier = checkpoint.with_name("step.ckpt")
    if earlier.exists():
        return f"replace it with the {earlier.name} next to it, or remove it to start again"
    return "remove it to start again"


def _read(checkpoint: Path) -> dict[str, Any]:
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        if not {"network", "learning_rate"} <= content["hyper_parameters"].keys():
            raise KeyError("network or learning_rate")
        return {"epoch": int(content["epoch"]), "hyper_parameters": content["hyper_parameters"]}
    except Exception as error:  # the loader can raise anything
        raise ResumptionError(
            f"{checkpoint}: not a readable checkpoint ({type(error).__name__}); "
            f"{_advise(checkpoint)}"
        ) from error
