"""The training loop, as PyTorch Lightning wants it."""

from __future__ import annotations

import lightning
import torch
from torch import Tensor

from rs_denoise.networks.unet import UNet
from rs_denoise.training.losses import denoising_loss


class DenoisingModule(lightning.LightningModule):
    """A network with its loss, optimiser and figures.

    Args:
        learning_rate: peak of a one-cycle schedule.
        total_steps: optimiser steps of the whole run.
    """

    def __init__(self, learning_rate: float, total_steps: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = UNet()

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
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

    def configure_optimizers(self) -> dict:
        """AdamW on a one-cycle schedule."""
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.hparams["learning_rate"], weight_decay=1e-4
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self.hparams["learning_rate"],
            total_steps=self.hparams["total_steps"],
            pct_start=0.1,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        disparity = _flat(batch["disparity_px"])
        output, scale = self.network(disparity, _flat(batch["infrared"]))
        return denoising_loss(output.float(), scale.float(), disparity, _flat(batch["truth_px"]))


def _flat(x: Tensor) -> Tensor:
    """[frames, crops, 1, H, W] as one batch."""
    return x.flatten(0, 1)
