"""The settings of a training run, from YAML and the command line."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from rs_denoise.networks import NETWORKS

MAX_SEED = 2**32 - 1


class ConfigError(ValueError):
    """Wrong settings; the message gives each one's value and what is allowed."""


def _check_network(network: str) -> str:
    if network not in NETWORKS:
        raise ValueError
    return network


# Error messages quote the descriptions.
Network = Annotated[
    str, AfterValidator(_check_network), Field(description=f"one of {', '.join(NETWORKS)}")
]
Count = Annotated[int, Field(ge=1, description="a whole number of at least 1")]
CountOrZero = Annotated[int, Field(ge=0, description="a whole number of at least 0")]
Precision = Annotated[
    Literal["auto", "bf16-mixed", "16-mixed", "32-true"],
    Field(description="auto, bf16-mixed, 16-mixed or 32-true"),
]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class TrainingConfig:
    """Settings of a run, as in a YAML file with these keys.

    Attributes:
        network: a key of NETWORKS.
        epochs: passes over the frames.
        learning_rate: the maximum, after a warm-up and before a cosine decay to zero.
        crop_px: side of a crop, a multiple of 16.
        crops_per_frame, frames_per_batch: their product is the batch size; a frame is decoded once.
        max_wrong_pct: a frame is skipped if more than this percentage of its valid pixels are wrong
            matches. With image pairs that cannot be matched, or misaligned ground truth, a network
            becomes unconfident everywhere; 100 skips no frame.
        workers: processes that read frames; 0: the training process itself.
        devices, nodes: processes on this machine (one per GPU, if there are any), and number of
            machines; several processes train together (DDP), each on its part of the frames.
        precision: "auto", "bf16-mixed", "16-mixed" or "32-true". Auto is bf16-mixed where the
            device computes bfloat16 natively and 32-true elsewhere: emulation is ten times slower.
        ema_decay: of the averaged weights, which are validated and exported; 0: no averaging.
        patience: epochs without a better validation loss before training stops; 0: never.
        start_from: initial weights of a new run: path of a checkpoint or of a model file, or name
            of a shipped model; None for random weights.
        seed: of weights, crops and augmentation.
    """

    network: Network = "unet"
    epochs: Count = 30
    learning_rate: Annotated[
        float, Field(gt=0, allow_inf_nan=False, description="a number above 0, such as 0.003")
    ] = 3e-3
    crop_px: Annotated[int, Field(ge=16, multiple_of=16, description="a multiple of 16")] = 192
    crops_per_frame: Count = 4
    frames_per_batch: Count = 4
    max_wrong_pct: Annotated[
        float, Field(ge=0, le=100, description="a percentage from 0 to 100")
    ] = 100.0
    workers: CountOrZero = 1
    devices: Count = 1
    nodes: Count = 1
    precision: Precision = "auto"
    ema_decay: Annotated[float, Field(ge=0, lt=1, description="a number from 0 to less than 1")] = (
        0.995
    )
    patience: CountOrZero = 0
    start_from: Annotated[
        str | None, Field(description="a path, or the name of a shipped model")
    ] = None
    seed: Annotated[
        int, Field(ge=0, le=MAX_SEED, description=f"a whole number from 0 to {MAX_SEED}")
    ] = 0

    @classmethod
    def read(cls, path: Path | None, **changes: Any) -> TrainingConfig:
        """Settings of a YAML file, with `changes` (None: unchanged) on top.

        Raises:
            ConfigError: the file is not YAML, or has a key or value that does not exist.
        """
        try:
            settings = (yaml.safe_load(path.read_text()) or {}) if path else {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: not a readable YAML file: {error}") from error
        if not isinstance(settings, dict):
            raise ConfigError(f"{path}: expected lines of `setting: value`, got {settings!r:.99}")
        known = [field.name for field in fields(cls)]
        unknown = [str(key) for key in settings if key not in known]
        if unknown:
            raise ConfigError(
                f"{path}: unknown {', '.join(sorted(unknown))}; settings are {', '.join(known)}"
            )
        given = {name: value for name, value in changes.items() if value is not None}
        try:
            return cls(**settings | given)
        except ValidationError as error:
            source = f"{path}: " if path else ""
            raise ConfigError(source + "; ".join(_format_errors(error))) from error

    def write(self, path: Path) -> None:
        """Writes all settings as YAML."""
        path.write_text(yaml.safe_dump(asdict(self), sort_keys=False))


def _format_errors(error: ValidationError) -> list[str]:
    allowed = {
        name: field.description
        for name, field in TrainingConfig.__pydantic_fields__.items()  # type: ignore[attr-defined]
    }
    return [
        f"{problem['loc'][0]} must be {allowed[str(problem['loc'][0])]}, got {problem['input']!r}"
        for problem in error.errors()
    ]
