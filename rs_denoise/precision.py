"""Whether a network computes the same in fewer bits: tried at start, on one frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from rs_denoise.camera import Camera
from rs_denoise.denoiser import Denoiser, NetworkError
from rs_denoise.model import Model

# What is asked of reduced precision, of the disparity that both publish and of which pixels those
# are: a tenth of the noise of a good camera.
LARGEST_PX, SHARE = 0.02, 0.999
LARGEST_MASK_SHARE = 0.001
TYPICAL = Camera(848, 480, 425.0, 425.0, 423.5, 239.5, 0.05)


@dataclass(frozen=True)
class Agreement:
    """How far two precisions of one network are apart on a frame.

    Attributes:
        difference_px: of disparity, that 99.9 % of the pixels that both publish do not exceed.
        mask_share: of the pixels, those that only one of them publishes.
    """

    difference_px: float
    mask_share: float

    @property
    def holds(self) -> bool:
        """Whether the lower precision may stand for the higher one."""
        return self.difference_px <= LARGEST_PX and self.mask_share <= LARGEST_MASK_SHARE

    def __str__(self) -> str:
        return (
            f"{self.difference_px:.3f} px of disparity at 99.9 % of the pixels, "
            f"{100 * self.mask_share:.2f} % published by one alone"
        )


INCOMPARABLE = Agreement(float("inf"), 1.0)


def load_verified(path: Path | str, device: str = "auto") -> Model:
    """A model in the precision that the device prefers, or in float32 if it suffers from that.

    Arguments and errors are those of `Model.load`.
    """
    return verified(Model.load(path, device))[0]


def verified(model: Model) -> tuple[Model, Agreement | None]:
    """`model`, or the same in float32 where that is not what it computes.

    Returns:
        What to use, and how far it was from float32; None where it is float32 anyway.

    Raises:
        ModelError: as of `Model.load`.
    """
    if model.precision == torch.float32:
        return model, None
    reference = Model.load(model.path, str(model.device), "float32")
    try:
        agreement = compare(model, reference)
    except NetworkError:  # what does not fit into float16 is infinite
        agreement = INCOMPARABLE
    return (model if agreement.holds else reference), agreement


def compare(model: Model, reference: Model) -> Agreement:
    """How far apart two models are on a frame as cameras see it."""
    depth, infrared = corridor(TYPICAL)
    scale = TYPICAL.disparity_scale_px_mm
    one, other = (
        Denoiser(m, TYPICAL).denoise(depth, infrared).depth_mm for m in (model, reference)
    )
    both = (one > 0) & (other > 0)
    if not both.any():
        return INCOMPARABLE
    apart = np.abs(scale / one[both] - scale / other[both])
    return Agreement(float(np.quantile(apart, SHARE)), float(np.mean((one > 0) != (other > 0))))


def corridor(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Walls, floor and ceiling from 0.6 to 8 m, wavy, with holes and texture; always the same.

    Returns:
        [H, W] uint16 mm and [H, W] uint8 grey.
    """
    y, x = np.mgrid[: camera.height, : camera.width]
    aside = np.maximum(np.abs(x - camera.cx) / camera.cx, np.abs(y - camera.cy) / camera.cy)
    depth = 600.0 / np.maximum(aside, 0.075)
    # What stereo matching errs by is smooth: 0.1 px over a dozen pixels, not white noise.
    waves = np.sin(x / 2.9 + np.sin(y / 17)) * np.sin(y / 2.3 + np.sin(x / 13))
    depth += 0.15 * waves * depth**2 / camera.disparity_scale_px_mm
    depth[np.sin(x / 23.0) * np.sin(y / 19.0) > 0.97] = 0
    grey = np.random.default_rng(0).integers(20, 80, depth.shape, np.uint8)
    return depth.astype(np.uint16), grey
