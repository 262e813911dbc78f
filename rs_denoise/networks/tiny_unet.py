"""The U-Net for small computers: it uses the left image only and has two disparity candidates.

It keeps the measured disparity of a pixel or replaces it by one from its surroundings, and adds a
residual. Compared with `unet.py` it neither uses matching evidence nor weighs four candidates at
every pixel, which saves half of the time on a CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rs_denoise.matching import REACH, STRIDE, candidate_surfaces
from rs_denoise.networks.unet_trunk import (
    BLOCK_PX,
    FARTHER_FACTOR,
    KEEP_LOGIT,
    UNetTrunk,
    behind,
    describe_choice,
    distance_to_surfaces,
    early_branch,
    enlarge,
    fade_across_surfaces,
    late_branch,
    take_from_neighbours,
    to_residual_px,
    to_scale_px,
)


class TinyUNet(UNetTrunk):
    """Disparity and left infrared in, disparity and its uncertainty out.

    Args:
        widths: as of `UNetTrunk`; its `skip` is 2.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64)) -> None:
        super().__init__(widths, skip=2)
        # How far the surfaces around a pixel are from it shows its noise more precisely than its
        # disparity does. They are fed to the encoder, and again to the output head, by pixel.
        self.surfaces = early_branch(2, widths[0], self.skip)
        self.late_surfaces = late_branch(2, widths[0])

    @property
    def receptive_field_px(self) -> int:
        """Half-width of the receptive field; surfaces are searched for within the image itself."""
        return super().receptive_field_px + REACH * STRIDE + self.skip  # of the slope

    def forward(self, disparity_px: Tensor, infrared: Tensor) -> tuple[Tensor, ...]:
        """Denoises.

        Args:
            disparity_px: [N, 1, H, W] float32, 0 = invalid.
            infrared: [N, 1, H, W] float32 grey levels 0..255; all 0 where there is none.

        Returns:
            disparity_px: [N, 1, H, W] float32, at every pixel, also where the input is invalid.
            scale_px: [N, 1, H, W] float32, the scale b of the Laplace distribution of its error.
            candidates_px, logits: in training only, [N, 2, H, W] float32, what the network chose
                between; 0 is invalid.
        """
        sparse, reference, features = self.sample(disparity_px, infrared)
        beside = distance_to_surfaces(candidate_surfaces(disparity_px), sparse)
        finest, finer, *_ = self.encode_and_decode(self.stem(features) + self.surfaces(beside))
        sampled = beside[..., ::2, ::2]
        finest = finest + self.late_surfaces(torch.cat([finest, sampled], dim=1))
        taken = enlarge(take_from_neighbours(sparse, reference, self.select(finer)), BLOCK_PX)
        output = functional.pixel_shuffle(self.head(finest).float(), 2)
        residual, scale, keep = output.chunk(3, dim=1)
        own, around = functional.pixel_unshuffle(disparity_px, 2), _four_pixels(taken)
        difference, residual_px = own - around, to_residual_px(residual)
        kept = torch.sigmoid(keep + KEEP_LOGIT) * torch.sign(own)
        kept = _of_one_surface(kept, difference)
        denoised_px = torch.addcmul(around + residual_px, kept, difference).clamp_min(0.0)
        outputs = [denoised_px, to_scale_px(scale).expand_as(denoised_px)]
        if self.training:
            outputs += describe_choice([own, around], [keep + KEEP_LOGIT], residual_px)
        return tuple(functional.pixel_shuffle(output, 2) for output in outputs)


def _four_pixels(blocks_px: Tensor) -> Tensor:
    """The disparity of the four pixels of each 2x2 block, along the slope of its surface.

    With one disparity per block, floors and slanted walls would have steps.

    Args:
        blocks_px: [N, 1, H/2, W/2] disparity at the middle of each block.

    Returns:
        [N, 4, H/2, W/2]: upper left, upper right, lower left, lower right.
    """
    padded = functional.pad(blocks_px, (1, 1, 1, 1), mode="replicate")
    across = 0.5 * (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2])
    down = 0.5 * (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1])
    # A pixel is a quarter of a block from the middle.
    across, down = (0.25 * fade_across_surfaces(step, step) for step in (across, down))
    upper, lower = blocks_px - down, blocks_px + down
    return torch.cat([upper - across, upper + across, lower - across, lower + across], dim=1)


def _of_one_surface(kept: Tensor, difference: Tensor) -> Tensor:
    """The weight of the measured disparity: 0 or 1 if the other one is on another surface.

    It is rounded up from one half on, or if the other surface is behind, from a third on.
    """
    caution = 0.5 - FARTHER_FACTOR / (1.0 + FARTHER_FACTOR)
    likelier = torch.round(kept + caution * behind(difference))
    return likelier + fade_across_surfaces(kept - likelier, difference)
