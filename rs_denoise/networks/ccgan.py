"""A conditional GAN that fills masked context (CC-GAN), on depth and infrared.

Source: Denton, Gross, Fergus, "Semi-supervised learning with context-conditional generative
adversarial networks", 2016. The generator fills squares that are cut out of a crop's
depth; the discriminator classifies patches as real or generated, and the crop by its distance.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rs_denoise.networks.classic import ClassicNetwork

LEAK = 0.2
# The discriminator's classes: near, middle and far (by the median of the true depth), and
# generated.
CLASS_LIMITS_MM = (1000.0, 2500.0)
CLASSES = len(CLASS_LIMITS_MM) + 2
GENERATED = CLASSES - 1


class Generator(ClassicNetwork):
    """A U-Net of strided convolutions, 32-64-128-256 channels, with a sigmoid at the end."""

    stride = 16
    receptive_field_px = 48

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.downs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 4, stride=2, padding=1), nn.LeakyReLU(LEAK))
            for a, b in zip((2, *widths[:-1]), widths, strict=True)
        )
        self.ups = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2.0),
                nn.Conv2d(a, b, 3, padding=1),
                nn.BatchNorm2d(b),
                nn.ReLU(),
            )
            for a, b in zip((widths[3], 2 * widths[2], 2 * widths[1]), widths[2::-1], strict=True)
        )
        self.head = nn.Sequential(
            nn.Upsample(scale_factor=2.0), nn.Conv2d(2 * widths[0], 1, 3, padding=1)
        )

    def body(self, channels: Tensor) -> Tensor:  # noqa: D102
        skips: list[Tensor] = []
        for down in self.downs:
            channels = down(channels)
            skips.append(channels)
        channels = skips.pop()
        for up in self.ups:
            channels = torch.cat([up(channels), skips.pop()], dim=1)
        return torch.sigmoid(self.head(channels))


class Discriminator(nn.Module):
    """Classifies patches of about 50 px as real or generated, and the whole crop by distance."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 2
        for outputs in (width, 2 * width, 4 * width):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(LEAK)]
            inputs = outputs
        self.features = nn.Sequential(*layers)
        self.validity = nn.Conv2d(inputs, 1, 4, padding=1)
        self.label = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES)
        )

    def forward(self, depth_mm: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of real against generated [N, 1, h, w], and of the classes [N, CLASSES].

        Args:
            depth_mm, infrared: [N, 1, H, W], as for the generator.
        """
        # The logarithm, because depth divided by 65,535 mm would have little contrast.
        channels = torch.cat([torch.log1p(depth_mm) / 11.0, infrared / 255.0], dim=1)
        features = self.features(channels)
        return self.validity(features), self.label(features)


def depth_class(truth_mm: Tensor) -> Tensor:
    """The class [N] of true depth [N, 1, H, W] in mm, 0 = unknown: near, middle or far."""
    limits = torch.tensor(CLASS_LIMITS_MM, device=truth_mm.device)
    medians = torch.stack(
        [t[t > 0].median() if (t > 0).any() else t.new_zeros(()) for t in truth_mm]
    )
    return torch.bucketize(medians, limits)
