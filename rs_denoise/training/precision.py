"""Chooses the precision of a training run."""

from __future__ import annotations

import torch

from rs_denoise.model import cpu_computes_bfloat16

BFLOAT16, FLOAT32 = "bf16-mixed", "32-true"


def choose_training_precision(setting: str) -> tuple[str, str]:
    """Resolves "auto" for the device that Lightning would use.

    Emulated bfloat16 makes a step up to ten times slower than float32.

    Args:
        setting: `TrainingConfig.precision`.

    Returns:
        The precision as Lightning names it, and the reason.
    """
    if setting != "auto":
        return setting, "as set"
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        device, native = "this CPU", cpu_computes_bfloat16()
    if native:
        return BFLOAT16, f"{device} computes bfloat16 natively"
    return FLOAT32, f"{device} does not compute bfloat16 natively, and emulation is slower"
