"""The networks that can be trained, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rs_denoise.networks.ccgan import Generator
from rs_denoise.networks.classic import ClassicNetwork, ClassicUNet, ConvAutoencoder
from rs_denoise.networks.tiny_unet import TinyUNet
from rs_denoise.networks.unet import UNet

Network = UNet | TinyUNet | ClassicNetwork


@dataclass(frozen=True)
class RegisteredNetwork:
    """A network that can be trained.

    Attributes:
        build: makes it, with random weights.
        kind: its inputs and outputs, a key of NETWORK_KINDS.
        objective: its training objective, see `rs_denoise.training.lightning_modules`.
    """

    build: Callable[[], Network]
    kind: Literal["laplace-stereo", "laplace", "none"]
    objective: Literal["disparity", "depth", "adversarial"]


NETWORKS = {
    "unet": RegisteredNetwork(UNet, "laplace-stereo", "disparity"),
    "unet-tiny-stereo": RegisteredNetwork(
        lambda: UNet((16, 32, 64), skip=2), "laplace-stereo", "disparity"
    ),
    "unet-tiny": RegisteredNetwork(TinyUNet, "laplace", "disparity"),
    # Those of the Denoise-Autoencoder of 2020.
    "autoencoder-classic": RegisteredNetwork(ConvAutoencoder, "none", "depth"),
    "unet-classic": RegisteredNetwork(ClassicUNet, "none", "depth"),
    "ccgan-classic": RegisteredNetwork(Generator, "none", "adversarial"),
}
