"""The gate: decides which pixels of the network's output are published.

An invalid pixel is better than a wrong one, and free space is never invented: a pixel whose
denoised depth is farther than measured is not published, however high its confidence. (On real
frames those with a confidence of 0.9 were right, but they are 0.1 % of the pixels, and most of them
were within 5 % in the camera's depth too: publishing them would gain nothing.)

Masks are computed with arithmetic on 0 and 1: on a CPU torch.where takes ten times as long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


# With a smaller fraction of valid pixels, a frame counts as empty, which looks like free space. The
# node's parameter min_fill can change it.
MIN_FILL = 0.02
# Above every confidence: as fill_confidence, it means that no hole is filled.
MAX_CONFIDENCE = 1.01


class GateError(ValueError):
    """An invalid limit."""


@dataclass(frozen=True)
class Gate:
    """Limits for what is published.

    Attributes:
        min_confidence: a measured pixel below it becomes invalid, 0..1. (On simulated validation
            frames 0.4 drops 61 % of the gross errors and 3 % of the thin objects; 0.7 drops 77 %,
            and 18 %.)
        fill_confidence: a hole of the input is filled from this confidence on, 0..1; more than 1
            never fills. (On real frames 2 % of the pixels that `unet` fills this way are more than
            5 % too far; between 0.85 and 0.9, 10 % would be.)
        max_recession: a pixel whose denoised depth is farther than measured by more than this
            fraction becomes invalid: space that the camera measured as occupied is never declared
            free; infinity: no limit. For a network without uncertainty it limits any
            change of a pixel.
        min_range_mm, max_range_mm: depth outside becomes invalid.

    Raises:
        GateError: no pixel could pass, as with a confidence in per cent.
    """

    min_confidence: float = 0.4
    fill_confidence: float = 0.9
    max_recession: float = 0.03
    min_range_mm: float = 0.0
    max_range_mm: float = math.inf

    def __post_init__(self) -> None:
        for name in ("min_confidence", "fill_confidence"):
            if not 0 <= getattr(self, name) <= MAX_CONFIDENCE:
                raise GateError(
                    f"{name} must be from 0 to 1, or {MAX_CONFIDENCE} for never, got "
                    f"{getattr(self, name)}"
                )
        if not self.max_recession >= 0:
            raise GateError(f"max_recession must be 0 or more, got {self.max_recession}")
        if not self.min_range_mm < self.max_range_mm:
            raise GateError(
                f"min_range_mm must be less than max_range_mm, got {self.min_range_mm} and "
                f"{self.max_range_mm}"
            )

    def accept_mask(
        self, measured_px: Tensor, denoised_px: Tensor, confidence: Tensor | None
    ) -> Tensor:
        """Finds the pixels that may be published, before the range limits.

        A hole is only filled with a surface that the right imager sees too. The band at the left
        edge is outside the right image, so the camera cannot measure depth there. (On real
        frames nine of ten surfaces that were filled in too far were in that band.)

        Args:
            measured_px: [N, 1, H, W] float32 disparity as measured, 0 = invalid; whole frames.
            denoised_px: the network's disparity, of the same shape.
            confidence: of the same shape, 0..1. None for a network that predicts no uncertainty:
                no hole is filled, and no pixel may change by more than `max_recession`.

        Returns:
            [N, 1, H, W] bool.
        """
        if confidence is None:
            not_nearing = denoised_px * (1.0 - self.max_recession) <= measured_px
            seen = (measured_px > 0) & (denoised_px > 0)
            return seen & not_nearing & self._not_receding(measured_px, denoised_px)
        import torch  # Not at the top: the command line reads the defaults in a tenth of the time.

        valid = measured_px.sign()
        column = torch.arange(measured_px.shape[-1], device=measured_px.device)
        seen_by_both = denoised_px * (1.0 - valid) <= column
        required = self.fill_confidence + (self.min_confidence - self.fill_confidence) * valid
        confident = confidence >= required
        not_receding = self._not_receding(measured_px, denoised_px)
        return (denoised_px > 0) & seen_by_both & not_receding & confident

    def _not_receding(self, measured_px: Tensor, denoised_px: Tensor) -> Tensor:
        """Whether depth grows by at most `max_recession`: disparity is its inverse."""
        return denoised_px * (1.0 + self.max_recession) >= measured_px

    def drop_out_of_range(self, depth_mm: Tensor) -> Tensor:
        """Sets depth [N, 1, H, W] in mm that is out of range to 0."""
        if self.min_range_mm > 0:
            depth_mm = depth_mm * (depth_mm >= self.min_range_mm)
        if math.isfinite(self.max_range_mm):
            depth_mm = depth_mm * (depth_mm <= self.max_range_mm)
        return depth_mm


# Two other trade-offs between few errors and few holes, which the evaluation also reports.
CAUTIOUS = Gate(min_confidence=0.7)
COMPLETE = Gate(fill_confidence=0.6)
