"""Everything that a training run can be told, from YAML and the command line."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from rs_denoise.networks import NETWORKS


class ConfigError(ValueError):
    """A setting that does not exist or cannot be; the message names it."""


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a run, as in a YAML file with these keys.

    Attributes:
        network: a key of NETWORKS.
        epochs: passes over the frames.
        learning_rate: the greatest, after a warm-up and before a cosine to zero.
        crop_px: side of a crop, a multiple of 16.
        crops_per_frame, frames_per_batch: a batch has their product; a frame is decoded once.
        workers: processes that read frames.
        devices, nodes: processes on this machine (GPUs where there are), and machines; more than
            one train together (DDP), each on its part of the frames.
        precision: "bf16-mixed", "16-mixed" or "32-true".
        ema_decay: of the averaged weights, which are what is validated and exported; 0: none.
        patience: epochs without a better validation loss before it stops; 0: never.
        start_from: checkpoint whose weights a new run begins with; None: at random.
        seed: of weights, crops and their augmentation.
    """

    network: str = "unet"
    epochs: int = 30
    learning_rate: float = 3e-3
    crop_px: int = 192
    crops_per_frame: int = 4
    frames_per_batch: int = 4
    workers: int = 1
    devices: int = 1
    nodes: int = 1
    precision: str = "bf16-mixed"
    ema_decay: float = 0.995
    patience: int = 0
    start_from: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ConfigError(f"network must be one of {', '.join(NETWORKS)}, got '{self.network}'")
        for name in ("epochs", "learning_rate", "crop_px", "crops_per_frame",
                     "frames_per_batch", "devices", "nodes"):  # fmt: skip
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or value <= 0:
                raise ConfigError(f"{name} must be a positive number, got {value!r}")
        if self.crop_px % 16:
            raise ConfigError(f"crop_px must be a multiple of 16, got {self.crop_px}")

    @classmethod
    def read(cls, path: Path | None, **changes: Any) -> TrainingConfig:
        """Settings of a YAML file, with `changes` (None: unchanged) on top.

        Raises:
            ConfigError: the file is not YAML, or has a key or value that does not exist.
        """
        try:
            settings = (yaml.safe_load(path.read_text()) or {}) if path else {}
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: not a readable YAML file: {error}") from error
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(settings) - set(known)) if isinstance(settings, dict) else ["a list"]
        if unknown:
            raise ConfigError(
                f"{path}: unknown {', '.join(map(str, unknown))}; settings are {', '.join(known)}"
            )
        return cls(**settings | {k: v for k, v in changes.items() if v is not None})

    def write(self, path: Path) -> None:
        """Writes all settings as YAML."""
        path.write_text(yaml.safe_dump(asdict(self), sort_keys=False))
