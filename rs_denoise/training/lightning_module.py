"""The training loop, as PyTorch Lightning wants it."""

from __future__ import annotations

import math

import lightning
import torch
from torch import Tensor

from rs_denoise.networks.unet import UNet
from rs_denoise.training.losses import denoising_loss

WARM_UP = 0.1


class DenoisingModule(lightning.LightningModule):
    """A network with its loss, optimiser and figures.

    Args:
        learning_rate: the greatest, after a warm-up of 10 % and before a cosine to zero.
        total_steps: optimiser steps of the whole run; a resumed run may have more than before.
    """

    def __init__(self, learning_rate: float, total_steps: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = UNet()

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """The loss of a batch of `CropDataset`."""
        losses = self._losses(batch)
        self.log_dict({f"train/{k}": v for k, v in losses.items()}, prog_bar=True)
        return losses["loss"]

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        """Besides the loss: the error against the input's over the same pixels, 1 = no better."""
        disparity, truth = _flat(batch["disparity_px"]), _flat(batch["truth_px"])
        output, scale = self.network(disparity, _flat(batch["infrared"]))
        losses = denoising_loss(output.float(), scale.float(), disparity, truth)
        both = (disparity > 0) & (truth > 0)
        before, after = (disparity - truth)[both].abs(), (output - truth)[both].abs()
        figures = {f"val/{k}": v for k, v in losses.items()}
        figures["val/mae_ratio"] = after.mean() / before.mean()
        figures["val/median_ratio"] = after.median() / before.median()
        self.log_dict(figures, prog_bar=True, batch_size=len(disparity))

    def configure_optimizers(self):
        """AdamW with warm-up and cosine decay."""
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.hparams["learning_rate"], weight_decay=1e-4
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._share_of_learning_rate)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _share_of_learning_rate(self, step: int) -> float:
        share = min(step / self.hparams["total_steps"], 1.0)
        if share < WARM_UP:
            return 0.04 + 0.96 * share / WARM_UP
        return 0.5 * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP)))

    def _losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        disparity = _flat(batch["disparity_px"])
        output, scale = self.network(disparity, _flat(batch["infrared"]))
        return denoising_loss(output.float(), scale.float(), disparity, _flat(batch["truth_px"]))


def _flat(x: Tensor) -> Tensor:
    """[frames, crops, 1, H, W] as one batch."""
    return x.flatten(0, 1)
