"""The model files of this package, by name. Imports no PyTorch."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parent / "models"
# The candidates for the node's `model_path: auto`: the best first, the fastest last.
BEST_FIRST = ("unet", "unet-tiny-stereo", "unet-tiny")
DEFAULT_MODEL = SHIPPED / f"{BEST_FIRST[0]}.pt"


def model_file(path: Path | str) -> Path:
    """The model file: `path` itself, or that of a shipped model if it is its name.

    A folder of that name, such as that of a training run, is not a model.
    """
    path = Path(path)
    if str(path) in shipped_names() and not path.is_file():
        return SHIPPED / f"{path}.pt"
    return path


def shipped_names() -> list[str]:
    """The names of all shipped models."""
    return sorted(file.stem for file in SHIPPED.glob("*.pt"))


def name_for_others(path: Path | str) -> Path:
    """How another machine finds the model: a shipped one by name, others by absolute path."""
    file = model_file(path)
    is_shipped = file.parent == SHIPPED
    return Path(file.stem) if is_shipped else file.absolute()
