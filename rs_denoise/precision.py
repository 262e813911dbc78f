"""Checks on one frame at start whether a network gives the same results in reduced precision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from rs_denoise.denoiser import Denoiser, NetworkError
from rs_denoise.device import uses_openvino
from rs_denoise.model import Model
from rs_denoise.synthetic_frame import TYPICAL_CAMERA, synthetic_frame

# Reduced precision may change the disparity of 99.9 % of the pixels by at most this, a tenth of the
# noise of a good camera, and may change which pixels are valid in at most this fraction of them.
QUANTILE, MAX_DIFFERENCE_PX = 0.999, 0.02
MAX_MASK_FRACTION = 0.001


@dataclass(frozen=True)
class Agreement:
    """How much the results of a network in two precisions differ on a frame.

    Attributes:
        difference_px: 99.9 % quantile of the difference in disparity, over the pixels that both
            publish.
        mask_fraction: fraction of the pixels that only one of the two publishes, 0..1.
    """

    difference_px: float
    mask_fraction: float

    @property
    def holds(self) -> bool:
        """Whether the lower precision may replace the higher one."""
        return self.difference_px <= MAX_DIFFERENCE_PX and self.mask_fraction <= MAX_MASK_FRACTION

    def __str__(self) -> str:
        if not math.isfinite(self.difference_px):
            return "no pixel can be compared"
        return (
            f"disparity differs by at most {self.difference_px:.3f} px at {100 * QUANTILE:.1f} % "
            f"of the pixels, and {100 * self.mask_fraction:.2f} % are valid in only one of the two"
        )


INCOMPARABLE = Agreement(math.inf, 1.0)


def load_with_fallback(path: Path | str, device: str = "auto") -> Model:
    """Loads a model in the device's preferred precision, or in float32 if that costs accuracy.

    Arguments and errors are those of `Model.load`.
    """
    return choose_precision(Model.load(path, device))[0]


def choose_precision(model: Model) -> tuple[Model, Agreement | None]:
    """Keeps `model` if it agrees with PyTorch's float32 on a synthetic frame.

    Otherwise loads it in float32. If OpenVINO disagrees in float32 too, PyTorch is used.

    Returns:
        The model to use, and how `model` agrees with float32; None if it is float32 already.

    Raises:
        ModelError: as of `Model`.
    """
    exact, in_openvino = model.precision == torch.float32, uses_openvino(model.device_name)
    if exact and not in_openvino:
        return model, None
    reference = Model(model.path, str(model.device), "float32")
    try:
        agreement = compare(model, reference)
    except NetworkError:  # numbers too large for float16 become infinite
        agreement = INCOMPARABLE
    if agreement.holds:
        return model, agreement
    if in_openvino and not exact:
        return choose_precision(Model(model.path, model.device_name, "float32"))
    return reference, agreement


def compare(model: Model, reference: Model) -> Agreement:
    """Measures how much the results of two models differ on a synthetic frame."""
    frame = synthetic_frame(TYPICAL_CAMERA)
    scale = TYPICAL_CAMERA.disparity_scale_px_mm
    one, other = (Denoiser(m, TYPICAL_CAMERA).denoise(*frame).depth_mm for m in (model, reference))
    both = (one > 0) & (other > 0)
    if not both.any():
        return INCOMPARABLE
    apart = np.abs(scale / one[both] - scale / other[both])
    return Agreement(float(np.quantile(apart, QUANTILE)), float(np.mean((one > 0) != (other > 0))))
