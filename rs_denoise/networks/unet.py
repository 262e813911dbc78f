"""The real-time U-Net: it keeps the measured disparity, or takes one that was measured nearby.

A wrong match can rarely be corrected by adding a number to it: the right disparity is that of the
surface the pixel belongs to, which was measured a few pixels away. So the network chooses, pixel by
pixel, between the measured disparity, the nearest and the farthest surface around it, and a mean
over places that it picks, as kernel-predicting networks do (Bako et al. 2017, "Kernel-predicting
convolutional networks for denoising Monte Carlo renderings"). It adds a residual, and predicts the
scale of its uncertainty. Where there is a right infrared image, matching evidence (`matching.py`)
tells it which surface both images show.

No layer uses statistics of the whole image, so a tile gives what the whole frame gives. No layer
convolves at full resolution: the stem halves it, which makes the network fast on a CPU.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_denoise.matching import EVIDENCE_CHANNELS
from rs_denoise.matching import STRIDE as EVIDENCE_STRIDE

# Disparity differences are scaled linearly below this and logarithmically above: noise is about
# 0.2 px, a wrong match can be 50 px off, and both must fit into a few units.
LINEAR_PX = 0.5
REFERENCE_PX = 16
# The largest residual is LINEAR_PX * sinh(MAX_RESIDUAL), 37 px.
MAX_RESIDUAL = 5.0
# A block of 4x4 pixels may take its disparity from itself, or in eight directions from each of
# these distances, in blocks. Errors of stereo matchers at edges are this wide.
BLOCK_PX = 4
DISTANCES = (1, 3, 7)
OFFSETS = [(0, 0)] + [
    (distance * y, distance * x)
    for distance in DISTANCES
    for y in (-1, 0, 1)
    for x in (-1, 0, 1)
    if y or x
]
# Added to the logits of valid disparities, so that invalid ones get no weight.
VALID_LOGIT = 100.0
# The least weight of a valid candidate, and what no sum of weights is below.
MIN_WEIGHT, TINY = 1e-20, 1e-30
# Logits of an untrained network: it keeps 95 % of the measured disparity.
KEEP_LOGIT, SURFACE_LOGIT = 3.0, -1.0
# Candidates that lie farther from the chosen one than this are other surfaces, and get no weight.
SAME_SURFACE_PX = 1.0


class UNet(nn.Module):
    """Disparity, infrared and matching evidence in, disparity and its uncertainty out.

    Args:
        widths: channels at each resolution, each half of the one before.
        skip: 1, or 2 to process every second pixel of every second row, in a third of the time;
            measured disparity is still kept or replaced pixel by pixel.

    Attributes:
        stride: height and width of the input, and every tile's offset, are multiples of this.
        receptive_field_px: how far from an output pixel the network sees, to each side.
    """

    stride = 16

    def __init__(self, widths: tuple[int, ...] = (16, 40, 72, 96), skip: int = 1) -> None:
        super().__init__()
        self.widths, self.skip = widths, skip
        pairs = list(pairwise(widths))
        self.stem = _block(4, widths[0], size=6, stride=2)
        self.evidence = nn.Sequential(
            _block(EVIDENCE_CHANNELS + 2, widths[0], size=2 * skip + 1, stride=skip),
            nn.Conv2d(widths[0], widths[0], 1),
        )
        self.downs = nn.ModuleList(
            nn.Sequential(_block(fine, coarse, stride=2), _block(coarse, coarse))
            for fine, coarse in pairs
        )
        self.bottleneck = _block(widths[-1], widths[-1])
        self.ups = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairs)
        self.merges = nn.ModuleList(_block(fine, fine) for fine, _ in pairs)
        self.select = nn.Conv2d(widths[1], len(OFFSETS) + 1, 3, padding=1)
        # Evidence is fed to the encoder (`evidence`), and again to the output heads, by pixel.
        self.late_evidence = nn.Sequential(
            nn.Conv2d(widths[0] + EVIDENCE_CHANNELS + 2, 2 * widths[0], 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * widths[0], widths[0], 1),
        )
        self.head = nn.Conv2d(widths[0], 12, 3, padding=1)
        self.choose = nn.Conv2d(widths[0], 8, 3, padding=1)
        # An untrained network changes almost nothing.
        for layer in (
            self.head, self.select, self.choose, self.evidence[1], self.late_evidence[2]
        ):  # fmt: skip
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    @property
    def receptive_field_px(self) -> int:
        """Half-width of the receptive field: the sum over the layers above."""
        reference = 2 * REFERENCE_PX + REFERENCE_PX // 2
        sizes = [2 * self.skip * 2**level for level in range(len(self.widths))]
        downs = 3 * self.skip + sum(sizes[:-1]) + sum(sizes[1:]) + sizes[-1]
        ups = sum(sizes[:-1]) + sum(sizes[1:])  # convolutions, and the blocks of upsampling
        return reference + downs + ups + 2 * BLOCK_PX * self.skip  # taken, and enlarged

    def forward(
        self, disparity_px: Tensor, infrared: Tensor, surfaces_px: Tensor, evidence: Tensor
    ) -> tuple[Tensor, Tensor]:
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
        """
        # Outside of autocast's half precision: bfloat16 cannot represent 40 px to 0.1 px.
        sampled = np.s_[..., :: self.skip, :: self.skip]
        sparse = disparity_px[sampled]
        valid = torch.sign(sparse)
        reference = _reference(sparse, valid, REFERENCE_PX // self.skip)
        features = torch.cat(
            [
                _asinh((sparse - reference) / LINEAR_PX) * valid,
                valid,
                torch.sqrt(infrared[sampled] / 255.0),
                torch.log1p(reference) / (4.0 * math.log(2.0)),
            ],
            dim=1,
        )
        beside = surfaces_px - disparity_px[..., ::EVIDENCE_STRIDE, ::EVIDENCE_STRIDE]
        beside = _asinh(beside / LINEAR_PX) * torch.sign(surfaces_px)
        matching = torch.cat([evidence, beside], dim=1)
        levels = [self.stem(features) + self.evidence(matching)]
        for down in self.downs:
            levels.append(down(levels[-1]))
        levels[-1] = self.bottleneck(levels[-1])
        for level in range(len(self.downs) - 1, -1, -1):
            upsampled = _upsample(self.ups[level](levels[level + 1]), 2)
            levels[level] = self.merges[level](levels[level] + upsampled)
        sampled_matching = matching[..., :: self.skip, :: self.skip]
        levels[0] = levels[0] + self.late_evidence(torch.cat([levels[0], sampled_matching], dim=1))
        taken = _take_from_neighbours(sparse, reference, self.select(levels[1]))
        own = functional.pixel_unshuffle(disparity_px, 2)
        around = functional.pixel_unshuffle(_enlarge(taken, BLOCK_PX * self.skip), 2)
        residual, scale, keep = self._by_phase(self.head(levels[0])).chunk(3, dim=1)
        nearest, farthest = self._by_phase(self.choose(levels[0])).chunk(2, dim=1)
        chosen = _choose(
            [own, surfaces_px[:, :1], surfaces_px[:, 1:], around],
            [keep + KEEP_LOGIT, nearest + SURFACE_LOGIT, farthest + SURFACE_LOGIT],
            across_surfaces=self.training,
        )
        residual = LINEAR_PX * _sinh(residual.clamp(-MAX_RESIDUAL, MAX_RESIDUAL))
        denoised_px = (chosen + residual).clamp_min(0.0)
        scale_px = torch.exp(scale.clamp(-4.0, 4.0)).expand_as(denoised_px)
        return functional.pixel_shuffle(denoised_px, 2), functional.pixel_shuffle(scale_px, 2)

    def _by_phase(self, output: Tensor) -> Tensor:
        """What a layer at the stem's resolution says of each pixel, float32.

        [N, C, H/2, W/2], where C holds the four pixels of each 2x2 block for each quantity. With
        `skip` 2 a block's pixels share one value.
        """
        planar = output.float().contiguous()
        return planar if self.skip == 1 else functional.pixel_shuffle(planar, 2)


def _choose(candidates_px: list[Tensor], logits: list[Tensor], across_surfaces: bool) -> Tensor:
    """A weighted mean of the candidates that lie on the likeliest one's surface.

    Step by step, because a softmax over so few channels takes three times as long on a CPU.

    Args:
        candidates_px: [N, 4 or 1, H/2, W/2] each, broadcast; 0 = invalid, gets no weight.
        logits: of all but the last, whose logit is 0; of shapes like theirs.
        across_surfaces: a mean of all candidates, for training: from the likeliest surface alone
            no gradient leads to a better one.
    """
    greatest = logits[0].clamp_min(0.0)
    for logit in logits[1:]:
        greatest = torch.maximum(greatest, logit)
    every = [torch.exp(logit - greatest) for logit in logits] + [torch.exp(-greatest)]
    masked = [(x + MIN_WEIGHT) * torch.sign(c) for c, x in zip(candidates_px, every, strict=True)]
    likeliest_px, best = candidates_px[0], masked[0]
    for candidate, weight in zip(candidates_px[1:], masked[1:], strict=True):
        likeliest_px = torch.where(weight > best, candidate, likeliest_px)
        best = torch.maximum(best, weight)
    # Where nothing is valid, all candidates are 0, and so is their mean.
    total, weights = torch.zeros_like(best), torch.full_like(best, TINY)
    for candidate, weight in zip(candidates_px, masked, strict=True):
        if not across_surfaces:
            distance = (candidate - likeliest_px) * (1.0 / SAME_SURFACE_PX)
            square = distance * distance
            weight = weight / (square * square).add_(1.0)
        total, weights = torch.addcmul(total, weight, candidate), weights + weight
    return total / weights


def _take_from_neighbours(disparity_px: Tensor, reference: Tensor, logits: Tensor) -> Tensor:
    """The disparity that each block takes: a weighted mean of valid neighbours and the reference.

    [N, 1, H/4, W/4], where the others are [N, C, H, W] and [N, C, H/4, W/4].

    One pixel represents its block, because a mean across an edge lies on neither surface.
    """
    one = np.s_[..., BLOCK_PX // 2 :: BLOCK_PX, BLOCK_PX // 2 :: BLOCK_PX]
    around = _around(disparity_px[one], reference[one])
    masked = logits.contiguous().float().add(torch.sign(around), alpha=VALID_LOGIT)
    weights = torch.softmax(masked, dim=1)
    return (weights * around).sum(dim=1, keepdim=True)


def _enlarge(image_px: Tensor, times: int) -> Tensor:
    """Enlarges disparity: smoothly on a surface, so that no grid shows, and sharply at edges."""
    sharp = _upsample(image_px, times)
    smooth = functional.interpolate(
        image_px, scale_factor=float(times), mode="bilinear", align_corners=False
    )
    difference = smooth - sharp
    square = difference * difference * (1.0 / SAME_SURFACE_PX**2)
    return sharp + difference * torch.reciprocal(1.0 + square * square)


def _around(image: Tensor, reference: Tensor) -> Tensor:
    """[N, len(OFFSETS) + 1, H, W]: the image shifted by each offset, 0 outside, and `reference`."""
    height, width = image.shape[-2:]
    reach = max(DISTANCES)
    padded = functional.pad(image, (reach, reach, reach, reach))
    rows, columns = ([reach + offset[k] for offset in OFFSETS] for k in (0, 1))
    windows = [
        padded[..., y : y + height, x : x + width] for y, x in zip(rows, columns, strict=True)
    ]
    return torch.cat([*windows, reference], dim=1)


def _block(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride=stride, padding=(size - 1) // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _asinh(x: Tensor) -> Tensor:
    """torch.asinh from vectorised functions, in a seventh of its time."""
    size = x.abs()
    return torch.sign(x) * torch.log1p(size + size * size / (1 + torch.sqrt(size * size + 1)))


def _sinh(x: Tensor) -> Tensor:
    """torch.sinh from operators that other runtimes have too."""
    return 0.5 * (torch.exp(x) - torch.exp(-x))


def _upsample(x: Tensor, times: int) -> Tensor:
    return functional.interpolate(x, scale_factor=float(times), mode="nearest")


def _reference(disparity_px: Tensor, valid: Tensor, block: int) -> Tensor:
    """Mean of the valid disparities in the 3x3 blocks around each pixel; 0 if there are none."""
    total = functional.avg_pool2d(disparity_px, block)
    count = functional.avg_pool2d(valid, block)
    total = functional.avg_pool2d(total, 3, stride=1, padding=1)
    count = functional.avg_pool2d(count, 3, stride=1, padding=1)
    mean = total / count.clamp_min(1e-4)
    return functional.interpolate(
        mean, scale_factor=float(block), mode="bilinear", align_corners=False
    )
