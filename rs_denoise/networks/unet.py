"""The real-time U-Net: it keeps what was measured, or takes what was measured nearby.

A wrong match is seldom mended by adding the right number of pixels to it; the right disparity
stands a few pixels away, on the surface that the pixel belongs to. So the network predicts where
to take it from, as kernel-predicting networks do (Bako et al. 2017, "Kernel-predicting
convolutional networks for denoising Monte Carlo renderings"), then a residual for what is left,
and the scale of its uncertainty.

All sums over pixels are local: no layer sees whole-image statistics, so that a tile gives what the
whole frame gives. Nothing is convolved at full resolution: the first layer goes to half of it, and
that is what makes the network fast on a CPU.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

# Disparities are compared on a scale that is linear below this and logarithmic above: noise is
# some 0.2 px, a wrong match can be 50 px off, and both must be said in a few units.
LINEAR_PX = 0.5
REFERENCE_PX = 16
# The largest correction is LINEAR_PX * sinh(LIMIT), 37 px.
LIMIT = 5.0
# Where a block of 4x4 pixels may take its disparity from: itself, and eight directions at each of
# these distances, in blocks. What matchers get wrong at an edge is this wide.
BLOCK_PX = 4
REACHES = (1, 3, 7)
OFFSETS = [(0, 0)] + [
    (reach * y, reach * x) for reach in REACHES for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x
]
# What is added to the logits of where there is a disparity, so that nothing else has a share.
SHOWN = 100.0
# An untrained network keeps what was measured, to 95 %.
KEEP = 3.0


class UNet(nn.Module):
    """Depth and infrared in, disparity and uncertainty out.

    Args:
        widths: channels at each resolution; each is half of the one before.
        skip: 1, or 2 to look at every second pixel of every second row, for a third of the time;
            what is measured is kept or left pixel by pixel all the same.

    Attributes:
        stride: height and width of the input, and every tile's offset, are multiples of this.
        receptive_field_px: how far an output pixel looks, to each side.
    """

    stride = 16

    def __init__(self, widths: tuple[int, ...] = (16, 40, 72, 96), skip: int = 1) -> None:
        super().__init__()
        self.widths, self.skip = widths, skip
        pairs = list(pairwise(widths))
        self.stem = _block(4, widths[0], size=6, stride=2)
        self.downs = nn.ModuleList(
            nn.Sequential(_block(fine, coarse, stride=2), _block(coarse, coarse))
            for fine, coarse in pairs
        )
        self.deepest = _block(widths[-1], widths[-1])
        self.ups = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairs)
        self.merges = nn.ModuleList(_block(fine, fine) for fine, _ in pairs)
        self.select = nn.Conv2d(widths[1], len(OFFSETS) + 1, 3, padding=1)
        self.head = nn.Conv2d(widths[0], 12, 3, padding=1)
        for layer in (self.head, self.select):  # an untrained network is nearly the identity
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    @property
    def receptive_field_px(self) -> int:
        """Half-width of the receptive field, from the layers above (see the terms)."""
        reference = 2 * REFERENCE_PX + REFERENCE_PX // 2
        sizes = [2 * self.skip * 2**level for level in range(len(self.widths))]
        downs = 3 * self.skip + sum(sizes[:-1]) + sum(sizes[1:]) + sizes[-1]
        ups = sum(sizes[:-1]) + sum(sizes[1:])  # convolutions, and the blocks of upsampling
        return reference + downs + ups + BLOCK_PX * self.skip

    def forward(self, disparity_px: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        """Denoises.

        Args:
            disparity_px: [N, 1, H, W] float32, 0 = invalid.
            infrared: [N, 1, H, W] float32 grey levels 0..255; all 0 where there is none.

        Returns:
            disparity_px: [N, 1, H, W] float32, everywhere, also where the input is invalid.
            scale_px: [N, 1, H, W] float32, the scale b of a Laplace distribution of its error.
        """
        # Not in half precision, whatever autocast says: 40 px +- 0.1 px does not fit into bfloat16.
        looked_at = np.s_[..., :: self.skip, :: self.skip]
        sparse = disparity_px[looked_at]
        valid = torch.sign(sparse)
        reference = _reference(sparse, valid, REFERENCE_PX // self.skip)
        features = torch.cat(
            [
                _asinh((sparse - reference) / LINEAR_PX) * valid,
                valid,
                torch.sqrt(infrared[looked_at] / 255.0),
                torch.log1p(reference) / (4.0 * math.log(2.0)),
            ],
            dim=1,
        )
        levels = [self.stem(features)]
        for down in self.downs:
            levels.append(down(levels[-1]))
        levels[-1] = self.deepest(levels[-1])
        for level in range(len(self.downs) - 1, -1, -1):
            risen = _enlarged(self.ups[level](levels[level + 1]), 2)
            levels[level] = self.merges[level](levels[level] + risen)
        taken = _taken(sparse, reference, self.select(levels[1]))
        output = functional.pixel_shuffle(self.head(levels[0]), 2).float()
        residual = LINEAR_PX * torch.sinh(output[:, :1].clamp(-LIMIT, LIMIT))
        scale_px = torch.exp(output[:, 1:2].clamp(-4.0, 4.0))
        keep = torch.sigmoid(output[:, 2:] + KEEP)
        if self.skip > 1:
            parts = (taken, residual, scale_px, keep)
            taken, residual, scale_px, keep = (_enlarged(part, self.skip) for part in parts)
        keep = keep * torch.sign(disparity_px)
        return (taken + keep * (disparity_px - taken) + residual).clamp_min(0.0), scale_px


def _taken(disparity_px: Tensor, reference: Tensor, logits: Tensor) -> Tensor:
    """What each block takes from around it: a mean of what is valid there, or the reference.

    One pixel stands for its block, because a mean across an edge would be on neither side.
    """
    one = np.s_[..., BLOCK_PX // 2 :: BLOCK_PX, BLOCK_PX // 2 :: BLOCK_PX]
    around = _around(disparity_px[one], reference[one])
    shown = logits.contiguous().float().add(torch.sign(around), alpha=SHOWN)
    share = torch.softmax(shown, dim=1)
    taken = (share * around).sum(dim=1, keepdim=True)
    return _enlarged(taken, BLOCK_PX)


def _around(image: Tensor, reference: Tensor) -> Tensor:
    """[N, 1 + len(OFFSETS), H, W]: the image seen from each offset, 0 outside, then `reference`."""
    height, width = image.shape[-2:]
    most = max(REACHES)
    padded = functional.pad(image, (most, most, most, most))
    rows, columns = ([most + offset[k] for offset in OFFSETS] for k in (0, 1))
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
    """torch.asinh, from functions that are vectorised: a seventh of its time."""
    size = x.abs()
    return torch.copysign(torch.log1p(size + size * size / (1 + torch.sqrt(size * size + 1))), x)


def _enlarged(x: Tensor, times: int) -> Tensor:
    return functional.interpolate(x, scale_factor=float(times), mode="nearest")


def _reference(disparity_px: Tensor, valid: Tensor, block: int) -> Tensor:
    """The mean disparity around each pixel, from 3x3 blocks of valid ones; 0 if there are none."""
    total = functional.avg_pool2d(disparity_px, block)
    count = functional.avg_pool2d(valid, block)
    total = functional.avg_pool2d(total, 3, stride=1, padding=1)
    count = functional.avg_pool2d(count, 3, stride=1, padding=1)
    mean = total / count.clamp_min(1e-4)
    return functional.interpolate(
        mean, scale_factor=float(block), mode="bilinear", align_corners=False
    )
