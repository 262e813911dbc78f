"""The networks, by name."""

from __future__ import annotations

from collections.abc import Callable

from rs_denoise.networks.ccgan import Generator
from rs_denoise.networks.classic import ClassicNetwork, ClassicUNet, ConvAutoencoder
from rs_denoise.networks.unet import UNet

Network = UNet | ClassicNetwork

# Those with doubt work in disparity; the classic ones in depth, without.
NETWORKS: dict[str, Callable[[], Network]] = {
    "unet": UNet,
    "unet-tiny": lambda: UNet((16, 32, 64), skip=2),
    "autoencoder-classic": ConvAutoencoder,
    "unet-classic": ClassicUNet,
    "ccgan-classic": Generator,
}
