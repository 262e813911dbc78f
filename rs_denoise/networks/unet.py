"""The real-time U-Net: it keeps the measured disparity or takes one that was measured nearby.

A residual can rarely correct a wrong match: the correct disparity is that of the surface the pixel
belongs to, which was measured a few pixels away. So for each pixel the network chooses between the
measured disparity, the nearest and the farthest surface around it, and a weighted mean of its
surroundings, as kernel-predicting networks do (Bako et al. 2017, "Kernel-predicting convolutional
networks for denoising Monte Carlo renderings"). It adds a residual and predicts the scale of its
uncertainty. If there is a right infrared image, matching evidence (`matching.py`) shows which
surface both images agree on.

The choice is trained as a mixture: the network learns the probability that the truth is at each
candidate (Tosi et al. 2021, "SMD-Nets: Stereo mixture density networks"). A weighted mean of them,
trained with an L1 loss, saturates: all probabilities become 0 or 1, also where the choice is open.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_denoise.matching import EVIDENCE_CHANNELS
from rs_denoise.matching import STRIDE as EVIDENCE_STRIDE
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
    start_at_zero,
    take_from_neighbours,
    to_residual_px,
    to_scale_px,
)

# Logits beyond these would overflow or make a weight vanish.
MAX_LOGIT = 30.0
# Minimum sum of weights.
TINY = 1e-30
# Logit of an untrained network for the nearest and the farthest surface.
SURFACE_LOGIT = -1.0


class UNet(UNetTrunk):
    """Disparity, infrared and matching evidence in, disparity and its uncertainty out.

    Args:
        widths, skip: as of `UNetTrunk`.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 40, 72, 96), skip: int = 1) -> None:
        super().__init__(widths, skip)
        # Evidence is fed to the encoder, and again to the output heads, per pixel.
        self.evidence = early_branch(EVIDENCE_CHANNELS + 2, widths[0], skip)
        self.late_evidence = late_branch(EVIDENCE_CHANNELS + 2, widths[0])
        self.choose = nn.Conv2d(widths[0], 8, 3, padding=1)
        start_at_zero(self.choose)

    def forward(
        self, disparity_px: Tensor, infrared: Tensor, surfaces_px: Tensor, evidence: Tensor
    ) -> tuple[Tensor, ...]:
        """Denoises.

        Args:
            disparity_px: [N, 1, H, W] float32, 0 = invalid.
            infrared: [N, 1, H, W] float32 grey levels 0..255; all 0 where there is none.
            surfaces_px: [N, 2, H/2, W/2] float32, of `matching.candidate_surfaces`.
            evidence: [N, EVIDENCE_CHANNELS, H/2, W/2] float32, of `matching.matching_evidence`; all
                0 where there is no right infrared.

        Returns:
            disparity_px: [N, 1, H, W] float32, at every pixel, also where the input is invalid.
            scale_px: [N, 1, H, W] float32, the scale b of the Laplace distribution of its error.
            candidates_px, logits: in training only, [N, 4, H, W] float32, what the network chose
                between; 0 is invalid.
        """
        sparse, reference, features = self.sample(disparity_px, infrared)
        sampled_px = disparity_px[..., ::EVIDENCE_STRIDE, ::EVIDENCE_STRIDE]
        beside = distance_to_surfaces(surfaces_px, sampled_px)
        # In the layout of the features: a concatenation of two layouts is slow.
        matching = torch.cat([evidence, beside], dim=1)
        matching = matching.contiguous(memory_format=torch.channels_last)
        finest, finer, *_ = self.encode_and_decode(self.stem(features) + self.evidence(matching))
        sampled_matching = matching[..., :: self.skip, :: self.skip]
        finest = finest + self.late_evidence(torch.cat([finest, sampled_matching], dim=1))
        taken = take_from_neighbours(sparse, reference, self.select(finer))
        own = functional.pixel_unshuffle(disparity_px, 2)
        around = functional.pixel_unshuffle(enlarge(taken, BLOCK_PX * self.skip), 2)
        residual, scale, keep = self._by_phase(self.head(finest)).chunk(3, dim=1)
        nearest, farthest = self._by_phase(self.choose(finest)).chunk(2, dim=1)
        candidates_px = [own, surfaces_px[:, :1], surfaces_px[:, 1:], around]
        logits = [keep + KEEP_LOGIT, nearest + SURFACE_LOGIT, farthest + SURFACE_LOGIT]
        residual_px = to_residual_px(residual)
        denoised_px = (_choose(candidates_px, logits) + residual_px).clamp_min(0.0)
        scale_px = to_scale_px(scale).expand_as(denoised_px)
        outputs = [denoised_px, scale_px]
        if self.training:
            outputs += describe_choice(candidates_px, logits, residual_px)
        return tuple(functional.pixel_shuffle(output, 2) for output in outputs)

    def _by_phase(self, output: Tensor) -> Tensor:
        """Separates the output of a layer at the stem's resolution by pixel, float32.

        [N, C, H/2, W/2], where C holds the four pixels of each 2x2 block for each quantity. With
        `skip` 2 a block's pixels share one value.
        """
        planar = output.float().contiguous()
        return planar if self.skip == 1 else functional.pixel_shuffle(planar, 2)


def _choose(candidates_px: list[Tensor], logits: list[Tensor]) -> Tensor:
    """A weighted mean of the candidates that lie on the same surface as the likeliest one.

    Computed step by step, because a softmax over so few channels takes three times as long on a
    CPU.

    Args:
        candidates_px: [N, 4 or 1, H/2, W/2] each, broadcast, the measured disparity first; 0 =
            invalid, gets no weight.
        logits: of all but the last, whose logit is 0; of shapes like theirs.
    """
    weights = [
        torch.exp(logit.clamp(-MAX_LOGIT, MAX_LOGIT)) * torch.sign(candidate)
        for candidate, logit in zip(candidates_px[:-1], logits, strict=True)
    ]
    weights.append(torch.sign(candidates_px[-1]))
    own_px = candidates_px[0]
    likeliest_px, best = own_px, weights[0]
    for candidate, weight in zip(candidates_px[1:], weights[1:], strict=True):
        cautious = behind(own_px - candidate).mul_(FARTHER_FACTOR - 1.0).add_(1.0).mul_(weight)
        likeliest_px = torch.where(cautious > best, candidate, likeliest_px)
        best = torch.maximum(best, cautious)
    weights = [
        fade_across_surfaces(weight, candidate - likeliest_px)
        for candidate, weight in zip(candidates_px, weights, strict=True)
    ]
    # Where nothing is valid, all candidates are 0, and so is their mean.
    total, sum_of_weights = weights[0] * candidates_px[0], weights[0] + TINY
    for candidate, weight in zip(candidates_px[1:], weights[1:], strict=True):
        total = torch.addcmul(total, weight, candidate)
        sum_of_weights = sum_of_weights + weight
    return total / sum_of_weights
