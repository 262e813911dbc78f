"""The common parts of the U-Nets: encoder, decoder, and disparity taken from neighbours.

No layer uses statistics of the whole image, so tiles give the same result as the whole frame. No
layer convolves at full resolution: the stem halves it, which makes the networks fast on a CPU.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

# Disparity differences are scaled linearly below this and logarithmically above: noise is about
# 0.2 px, a wrong match can be 50 px off, and both must fit into a few units.
LINEAR_PX = 0.5
REFERENCE_PX = 16
# The largest residual is LINEAR_PX * sinh(MAX_RESIDUAL), 37 px.
MAX_RESIDUAL = 5.0
# The scale of the uncertainty is exp(-MAX_LOG_SCALE) to exp(MAX_LOG_SCALE), px.
MAX_LOG_SCALE = 4.0
# A block of 4x4 pixels can take its disparity from itself, or in eight directions from each of
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
# Logit of an untrained network for the measured disparity: it keeps 95 % of it.
KEEP_LOGIT = 3.0
# In the choice, the probability of a surface behind the measured one is multiplied by this: it must
# be twice as likely, because a wrong choice of it removes a thin object.
FARTHER_FACTOR = 0.5
# A surface is behind if its disparity is less than measured by this; over 1 px around it the factor
# fades in.
FARTHER_STEP_PX = 1.0


class UNetTrunk(nn.Module):
    """Encoder and decoder, and the disparity that each block takes from its neighbours.

    Args:
        widths: channels at each resolution, each half of the one before.
        skip: 1, or 2 to process every second pixel of every second row, in a third of the time;
            measured disparity is still kept or replaced pixel by pixel.

    Attributes:
        stride: height and width of the input, and every tile's offset, are multiples of this.
        receptive_field_px: how far from an output pixel the network sees, to each side.
    """

    stride = 16

    def __init__(self, widths: tuple[int, ...], skip: int) -> None:
        super().__init__()
        self.widths, self.skip = widths, skip
        pairs = list(pairwise(widths))
        self.stem = block(4, widths[0], size=6, stride=2)
        self.downs = nn.ModuleList(
            nn.Sequential(block(fine, coarse, stride=2), block(coarse, coarse))
            for fine, coarse in pairs
        )
        self.bottleneck = block(widths[-1], widths[-1])
        self.ups = nn.ModuleList(Pointwise(coarse, fine) for fine, coarse in pairs)
        self.merges = nn.ModuleList(block(fine, fine) for fine, _ in pairs)
        self.select = nn.Conv2d(widths[1], len(OFFSETS) + 1, 3, padding=1)
        # Residual, uncertainty and weight of the measured disparity, for the four pixels that share
        # a feature.
        self.head = nn.Conv2d(widths[0], 12, 3, padding=1)
        # An untrained network changes almost nothing.
        start_at_zero(self.select, self.head)

    @property
    def receptive_field_px(self) -> int:
        """Half-width of the receptive field: the sum over the layers above."""
        reference = 2 * REFERENCE_PX + REFERENCE_PX // 2
        sizes = [2 * self.skip * 2**level for level in range(len(self.widths))]
        downs = 3 * self.skip + sum(sizes[:-1]) + sum(sizes[1:]) + sizes[-1]
        ups = sum(sizes[:-1]) + sum(sizes[1:])  # convolutions, and the blocks of upsampling
        return reference + downs + ups + 2 * BLOCK_PX * self.skip  # taken, and enlarged

    def sample(self, disparity_px: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Every `skip`-th pixel of every `skip`-th row of a frame.

        Args:
            disparity_px: [N, 1, H, W] float32, 0 = invalid.
            infrared: [N, 1, H, W] float32 grey levels 0..255; all 0 where there is none.

        Returns:
            The disparity, the mean disparity around it, both [N, 1, H / skip, W / skip], and the
            channels for the stem, [N, 4, H / skip, W / skip].
        """
        # Not in autocast's half precision: bfloat16 cannot represent 40 px to 0.1 px.
        sampled = np.s_[..., :: self.skip, :: self.skip]
        sparse = disparity_px[sampled]
        valid = torch.sign(sparse)
        reference = mean_around(sparse, valid, REFERENCE_PX // self.skip)
        features = torch.cat(
            [
                asinh((sparse - reference) / LINEAR_PX) * valid,
                valid,
                torch.sqrt(infrared[sampled] / 255.0),
                torch.log1p(reference) / (4.0 * math.log(2.0)),
            ],
            dim=1,
        )
        return sparse, reference, features

    def encode_and_decode(self, features: Tensor) -> list[Tensor]:
        """The decoder's features at each resolution, the finest first, from those of the stem."""
        levels = [features]
        for down in self.downs:
            levels.append(down(levels[-1]))
        levels[-1] = self.bottleneck(levels[-1])
        for level in range(len(self.downs) - 1, -1, -1):
            upsampled = upsample(self.ups[level](levels[level + 1]), 2)
            levels[level] = self.merges[level](levels[level] + upsampled)
        return levels


class Pointwise(nn.Conv2d):
    """A 1x1 convolution, computed as a matrix product in channels-last layout.

    On one CPU thread PyTorch's own copies its input to another layout and the bias to every pixel.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        pixels = x.permute(0, 2, 3, 1)
        return functional.linear(pixels, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def early_branch(channels: int, width: int, skip: int) -> nn.Sequential:
    """Layers that turn an input at half the resolution into features to add to those of the stem.

    Until they are trained they give 0, as do those of `late_branch`.
    """
    branch = nn.Sequential(
        block(channels, width, size=2 * skip + 1, stride=skip), Pointwise(width, width)
    )
    start_at_zero(branch[-1])
    return branch


def late_branch(channels: int, width: int) -> nn.Sequential:
    """Layers that combine, by pixel, the finest features with an input again, before the heads."""
    branch = nn.Sequential(
        Pointwise(width + channels, 2 * width),
        nn.ReLU(inplace=True),
        Pointwise(2 * width, width),
    )
    start_at_zero(branch[-1])
    return branch


def distance_to_surfaces(surfaces_px: Tensor, own_px: Tensor) -> Tensor:
    """How far the surfaces around a pixel are from it, scaled; 0 where there is none.

    Args:
        surfaces_px: [N, 2, H, W], of `matching.candidate_surfaces`.
        own_px: [N, 1, H, W], the disparity measured there.
    """
    return asinh((surfaces_px - own_px) / LINEAR_PX) * torch.sign(surfaces_px)


def start_at_zero(*layers: nn.Module) -> None:
    """Makes the layers output 0 until they are trained."""
    for layer in layers:
        nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def behind(difference_px: Tensor) -> Tensor:
    """1 where a candidate is on a surface behind the measured one, and 0 where it is not.

    Args:
        difference_px: the measured disparity minus the candidate's.
    """
    return (difference_px - (FARTHER_STEP_PX - 0.5)).clamp_(0.0, 1.0)


def describe_choice(
    candidates_px: list[Tensor], logits: list[Tensor], residual_px: Tensor
) -> list[Tensor]:
    """What a network chose between, for the loss, as outputs for pixel_shuffle(2).

    Args:
        candidates_px: K disparities, [N, 4 or 1, H/2, W/2] each, 0 = invalid.
        logits: of all but the last, whose logit is 0; of shapes like theirs.
        residual_px: is added to the chosen one, [N, 4 or 1, H/2, W/2].

    Returns:
        The candidates with the residual, 0 = invalid, and their logits, [N, 4 K, H/2, W/2] each.
    """
    residual_px = residual_px.detach()
    corrected = [(c + residual_px) * torch.sign(c) for c in candidates_px]
    return [_interleave(corrected), _interleave([*logits, torch.zeros_like(logits[0])])]


def _interleave(images: list[Tensor]) -> Tensor:
    """[N, 4 K, H, W], of which pixel_shuffle makes K channels, from K images [N, 4 or 1, H, W]."""
    n, _, height, width = images[0].shape
    pixels = [image.expand(n, 4, height, width) for image in images]
    return torch.cat(pixels, dim=1)


def to_residual_px(output: Tensor) -> Tensor:
    """What is added to the disparity, from the head's output."""
    return LINEAR_PX * sinh(output.clamp(-MAX_RESIDUAL, MAX_RESIDUAL))


def to_scale_px(output: Tensor) -> Tensor:
    """The scale of the uncertainty, from the head's output."""
    return torch.exp(output.clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE))


def take_from_neighbours(disparity_px: Tensor, reference: Tensor, logits: Tensor) -> Tensor:
    """The disparity that each block takes: a weighted mean of valid neighbours and the reference.

    Returns [N, 1, H/4, W/4]; the arguments are [N, C, H, W] and, for `logits`, [N, C, H/4, W/4].
    One pixel represents its block, because a mean across an edge lies on neither surface.
    """
    one = np.s_[..., BLOCK_PX // 2 :: BLOCK_PX, BLOCK_PX // 2 :: BLOCK_PX]
    around = _around(disparity_px[one], reference[one])
    masked = logits.contiguous().float().add(torch.sign(around), alpha=VALID_LOGIT)
    weights = torch.softmax(masked, dim=1)
    return (weights * around).sum(dim=1, keepdim=True)


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


def enlarge(image_px: Tensor, times: int) -> Tensor:
    """Enlarges disparity: smoothly on a surface, to hide the grid, and sharply at edges."""
    sharp = upsample(image_px, times)
    smooth = functional.interpolate(
        image_px, scale_factor=float(times), mode="bilinear", align_corners=False
    )
    difference = smooth - sharp
    return sharp + fade_across_surfaces(difference, difference)


def fade_across_surfaces(value: Tensor, difference_px: Tensor) -> Tensor:
    """The value where two disparities are of the same surface, and nearly 0 where they are not.

    Half of it at a difference of 1 px: beyond, they belong to two surfaces with nothing in between.
    """
    square = difference_px * difference_px
    return value / (square * square).add_(1.0)


def upsample(x: Tensor, times: int) -> Tensor:
    """Repeats each pixel `times` times in both directions."""
    return functional.interpolate(x, scale_factor=float(times), mode="nearest")


def mean_around(disparity_px: Tensor, valid: Tensor, block: int) -> Tensor:
    """Mean of the valid disparities in the 3x3 blocks around each pixel; 0 if there are none."""
    total = functional.avg_pool2d(disparity_px, block)
    count = functional.avg_pool2d(valid, block)
    total = functional.avg_pool2d(total, 3, stride=1, padding=1)
    count = functional.avg_pool2d(count, 3, stride=1, padding=1)
    mean = total / count.clamp_min(1e-4)
    return functional.interpolate(
        mean, scale_factor=float(block), mode="bilinear", align_corners=False
    )


def block(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution without bias, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride=stride, padding=(size - 1) // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def asinh(x: Tensor) -> Tensor:
    """torch.asinh made of vectorised functions, seven times as fast."""
    size = x.abs()
    return torch.sign(x) * torch.log1p(size + size * size / (1 + torch.sqrt(size * size + 1)))


def sinh(x: Tensor) -> Tensor:
    """torch.sinh made of operators that other runtimes support too."""
    growing = torch.exp(x)
    return 0.5 * (growing - torch.reciprocal(growing))
