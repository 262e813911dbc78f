"""Denoises RealSense depth in real time; start reading at `denoiser.py`.

>>> from rs_denoise import Camera, Denoiser, Model

These names are imported when they are first used, so that `import rs_denoise` does not wait for
PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rs_denoise.camera import Camera
    from rs_denoise.denoiser import Denoised, Denoiser
    from rs_denoise.gate import Gate
    from rs_denoise.model import Model
    from rs_denoise.recordings.recording import open_recording

__all__ = ["Camera", "Denoised", "Denoiser", "Gate", "Model", "open_recording"]
_MODULES = {
    "Camera": "camera",
    "Denoised": "denoiser",
    "Denoiser": "denoiser",
    "Gate": "gate",
    "Model": "model",
    "open_recording": "recordings.recording",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value  # found here next time, without calling __getattr__
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
