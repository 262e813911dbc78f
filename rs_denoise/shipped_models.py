"""The model files of this package, by name. Imports no PyTorch."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parent / "models"
DEFAULT_MODEL = SHIPPED / "unet.pt"


def model_file(path: Path | str) -> Path:
    """Finds the file that is meant: `path`, or a shipped model by its name, as "unet-tiny"."""
    path = Path(path)
    shipped = {file.stem: file for file in SHIPPED.glob("*.pt")}
    if str(path) in shipped and not path.exists():
        return shipped[str(path)]
    return path
