"""From a checkpoint to a model file with its manifest."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from rs_denoise.model import FORMAT, INPUTS, OUTPUTS, Manifest, save
from rs_denoise.networks.unet import UNet


def export(
    checkpoint: Path, out: Path, name: str, training_data: str, metrics: dict[str, float]
) -> Manifest:
    """Writes the network of a Lightning checkpoint as a model file.

    Batch normalisation is folded into the convolutions, so that the file holds what runs.

    Raises:
        ValueError: the checkpoint is not one of this network.
    """
    network = load_network(checkpoint)
    manifest = Manifest(
        format=FORMAT,
        name=name,
        network=f"unet {'-'.join(map(str, network.widths))}",
        inputs=INPUTS,
        outputs=OUTPUTS,
        stride_px=network.stride,
        receptive_field_px=network.receptive_field_px,
        training_data=training_data,
        licence="Apache-2.0",
        metrics=metrics,
    )
    save(_folded(network), manifest, out)
    return manifest


def load_network(checkpoint: Path) -> UNet:
    """The U-Net of a Lightning checkpoint, in evaluation mode."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "network."
    weights = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    network = UNet()
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{checkpoint}: not a checkpoint of this U-Net: {error}") from error
    return network.eval()


def _folded(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.Sequential) and isinstance(module[0], nn.Conv2d):
            module[0] = fuse_conv_bn_eval(module[0], module[1])  # type: ignore[arg-type]
            module[1] = nn.Identity()
    return network
