"""The gate: decides which pixels of the network's answer are published.

An invalid pixel is better than a wrong one, and free space is never invented: a pixel that comes
out farther than it was measured is not published, however high its confidence. (Accepting such
pixels at high confidence corrected a tenth of the wrong edges in simulation, and no false obstacle
on real frames.)

Masks are computed with arithmetic on 0 and 1: on a CPU torch.where takes ten times as long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # The command line reads the defaults; PyTorch would take seconds.
    from torch import Tensor

# A hole is not filled with background if foreground is this near, in blocks of BLOCK_PX (up and
# down, to the sides): the occlusion shadow beside an object is as wide as the object's disparity
# exceeds the background's.
BLOCK_PX = 8
SHADOW_BLOCKS = (2, 8)


@dataclass(frozen=True)
class Gate:
    """Limits for what is published.

    Attributes:
        min_confidence: a measured pixel below it becomes invalid, 0..1. (On simulated validation
            scenes 0.4 drops a third of the gross errors and 6 % of the thin objects; 0.7 drops
            half, and 19 %.)
        fill_confidence: a hole of the input is filled from this confidence on, 0..1; more than 1
            never fills. (0.97 rather than 0.9: in simulation both fill alike, but in real occlusion
            shadows a sixth of what passes 0.9 is false free space.)
        max_recession: a pixel that comes out farther than it was measured by more than this
            fraction of its depth becomes invalid: space that the camera saw blocked is never
            declared free. For a network without uncertainty it limits any change of a pixel.
        min_range_mm, max_range_mm: depth outside becomes invalid.
    """

    min_confidence: float = 0.4
    fill_confidence: float = 0.97
    max_recession: float = 0.03
    min_range_mm: float = 0.0
    max_range_mm: float = math.inf

    def accept_mask(
        self, measured_px: Tensor, denoised_px: Tensor, confidence: Tensor | None
    ) -> Tensor:
        """Finds the pixels that may be published, before the range limits.

        A hole is only filled with a surface that is no farther than the nearest foreground around
        it, so that the occlusion shadow of an object is not declared free.

        Args:
            measured_px: [N, 1, H, W] float32 disparity as measured, 0 = invalid.
            denoised_px: the network's disparity, of the same shape.
            confidence: of the same shape, 0..1. None for a network that predicts no uncertainty:
                no hole is filled, and no pixel may change by more than `max_recession`.

        Returns:
            [N, 1, H, W] bool.
        """
        if confidence is None:
            max_change_px = self.max_recession * measured_px
            changed_little = (denoised_px - measured_px).abs() <= max_change_px
            return (measured_px > 0) & (denoised_px > 0) & changed_little
        valid = measured_px.sign()
        foreground_px = measured_px + (1.0 - valid) * _max_disparity_around(measured_px)
        required = self.fill_confidence + (self.min_confidence - self.fill_confidence) * valid
        not_receding = denoised_px >= foreground_px * (1.0 - self.max_recession)
        return (foreground_px > 0) & not_receding & (confidence >= required)

    def drop_out_of_range(self, depth_mm: Tensor) -> Tensor:
        """Sets depth [N, 1, H, W] in mm that is out of range to 0."""
        if self.min_range_mm > 0:
            depth_mm = depth_mm * (depth_mm >= self.min_range_mm)
        if math.isfinite(self.max_range_mm):
            depth_mm = depth_mm * (depth_mm <= self.max_range_mm)
        return depth_mm


# Two other trade-offs between few errors and few holes, which the evaluation also reports.
CAUTIOUS = Gate(min_confidence=0.7)
COMPLETE = Gate(min_confidence=0.2, fill_confidence=0.9)


def _max_disparity_around(disparity_px: Tensor) -> Tensor:
    """The greatest disparity near each pixel: 16 px up and down, 64 px to the sides."""
    from torch.nn import functional

    height, width = disparity_px.shape[-2:]
    padded = functional.pad(disparity_px, (0, -width % BLOCK_PX, 0, -height % BLOCK_PX))
    # amax over one axis at a time is ten times as fast as max_pool2d.
    rows = padded.unflatten(-2, (-1, BLOCK_PX)).amax(-2)
    blocks = rows.unflatten(-1, (-1, BLOCK_PX)).amax(-1)
    vertical, horizontal = SHADOW_BLOCKS
    blocks = functional.max_pool2d(blocks, (2 * vertical + 1, 1), stride=1, padding=(vertical, 0))
    blocks = functional.max_pool2d(
        blocks, (1, 2 * horizontal + 1), stride=1, padding=(0, horizontal)
    )
    enlarged = functional.interpolate(blocks, scale_factor=float(BLOCK_PX))
    return enlarged[..., :height, :width]
