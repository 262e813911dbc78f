"""The model files of this package, by name. Imports no PyTorch."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parent / "models"
DEFAULT_MODEL = SHIPPED / "unet.pt"
# What `model_path: auto` of the node chooses from: the best first, the fastest last.
BEST_FIRST = ("unet", "unet-tiny")


def model_file(path: Path | str) -> Path:
    """Finds the file that is meant: `path`, or a shipped model by its name, as "unet-tiny".

    Raises:
        ModelError: it is a name that no shipped model has.
    """
    path = Path(path)
    if path.exists():
        return path
    shipped = {file.stem: file for file in SHIPPED.glob("*.pt")}
    if str(path) in shipped:
        return shipped[str(path)]
    if path.suffix or len(path.parts) != 1:
        return path
    from rs_denoise.manifest import ModelError  # which imports PyTorch

    raise ModelError(
        f"{path}: no such model file, and no shipped model has this name; shipped models are "
        f"{', '.join(sorted(shipped))}"
    )
