"""Networks of the Denoise-Autoencoder of 2020, for comparison.

The Denoise-Autoencoder was an offline program that trained Keras networks on crops of RealSense
depth and infrared. Its networks take both as 16-bit numbers and give depth without confidence.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rs_denoise.depth import MAX_DEPTH_MM

# Both channels are scaled from 16 bits to 0..1.
FULL_SCALE = float(MAX_DEPTH_MM)
DROPOUT = 0.5
# An untrained network outputs 2 m. Starting from 33 m, the sigmoid's 0.5, training would saturate
# at 0.
START_LOGIT = math.log(2000 / (FULL_SCALE - 2000))


class ClassicNetwork(nn.Module):
    """Scales the inputs and the resulting depth; subclasses define the layers in between.

    Attributes:
        stride: height and width of the input are multiples of this.
        receptive_field_px: how far from an output pixel the network sees, to each side.
    """

    stride: int
    receptive_field_px: int

    def forward(self, depth_mm: Tensor, infrared: Tensor) -> Tensor:
        """Denoises.

        Args:
            depth_mm: [N, 1, H, W] float32, 0 = invalid.
            infrared: [N, 1, H, W] float32 grey levels 0..255; all 0 where there is none.

        Returns:
            depth_mm: [N, 1, H, W] float32, at every pixel.
        """
        channels = torch.cat([depth_mm, infrared], dim=1) / FULL_SCALE
        return FULL_SCALE * self.body(channels)

    def body(self, channels: Tensor) -> Tensor:
        """[N, 2, H, W] in 0..1 to [N, 1, H, W] in 0..1."""
        raise NotImplementedError


class ClassicUNet(ClassicNetwork):
    """The U-Net of Ronneberger et al. 2015: 64-128-256-512-1024, dropout, a sigmoid at the end."""

    stride = 16
    receptive_field_px = 2 * (1 + 2 + 4 + 8 + 16) + 2 * (1 + 2 + 4 + 8) + 16

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512, 1024)) -> None:
        super().__init__()
        inputs = (2, *widths[:-1])
        self.downs = nn.ModuleList(_double(a, b) for a, b in zip(inputs, widths, strict=True))
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(DROPOUT)
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairs)
        self.merges = nn.ModuleList(_double(2 * b, b) for _, b in pairs)
        self.head = nn.Conv2d(widths[0], 1, 1)
        self.apply(_initialise)
        nn.init.constant_(_bias(self.head), START_LOGIT)

    def body(self, channels: Tensor) -> Tensor:  # noqa: D102
        skips: list[Tensor] = []
        for level, down in enumerate(self.downs):
            channels = down(channels if level == 0 else self.pool(skips[-1]))
            # Dropout in the two coarsest levels.
            skips.append(self.dropout(channels) if level >= len(self.downs) - 2 else channels)
        channels = skips.pop()
        for up, merge in zip(self.ups, self.merges, strict=True):
            channels = merge(torch.cat([skips.pop(), up(channels)], dim=1))
        return torch.sigmoid(self.head(channels))


class ConvAutoencoder(ClassicNetwork):
    """Convolutions and pooling down to a code and back up, without skip connections."""

    stride = 8
    receptive_field_px = (1 + 2 + 4) + 8 + (4 + 2 + 1) + 1 + 8

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((2, *widths[:-1]), widths, strict=True):
            layers += [*_single(inputs, outputs), nn.MaxPool2d(2)]
        layers += _single(widths[-1], widths[-1])
        for inputs, outputs in zip(widths[::-1], (*widths[-2::-1], widths[0]), strict=True):
            layers += [nn.Upsample(scale_factor=2.0), *_single(inputs, outputs)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[0], 1, 3, padding=1), nn.Sigmoid())

    def body(self, channels: Tensor) -> Tensor:  # noqa: D102
        return self.layers(channels)


def _initialise(layer: nn.Module) -> None:
    """He et al. 2015: with other initialisations, signals fade without normalisation layers."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(_bias(layer))


def _bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias


def _single(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_single(inputs, outputs), *_single(outputs, outputs))
