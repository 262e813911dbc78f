"""PyTorch Lightning modules that train networks, one for each family of networks."""

from __future__ import annotations

import math

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from rs_denoise.network_kind import NETWORK_KINDS
from rs_denoise.networks import NETWORKS
from rs_denoise.networks.ccgan import GENERATED, Discriminator, depth_class
from rs_denoise.networks.classic import FULL_SCALE
from rs_denoise.training.losses import denoising_loss

# The learning rate rises linearly in the first tenth of the steps, then falls along a cosine to 0.
WARM_UP_FRACTION = 0.1
START_FACTOR = 0.04
# Weight of the adversarial loss relative to the error of the generated depth.
ADVERSARIAL_WEIGHT = 0.01
# Squares cut out of each crop for the generator to fill; side as a fraction of the crop's.
MASKS, MASK_SIDE = 4, 0.2


class TrainingModule(lightning.LightningModule):
    """A network with its optimiser and its validation metrics.

    Args:
        network: a key of NETWORKS.
        learning_rate: the maximum of the run.
        total_steps: optimiser steps of the whole run; a resumed run may have more than before.
    """

    def __init__(self, network: str, learning_rate: float, total_steps: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        # Convolutions are fastest with channels last.
        self.network = NETWORKS[network].build().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor | None:
        """The loss of a batch of `CropDataset`."""
        losses, _ = self.losses(merge_crops(batch))
        self.log_dict({f"train/{k}": v for k, v in losses.items()}, prog_bar=True)
        return losses["loss"]

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Logs the loss, and the error divided by the input's over the same pixels (1: no gain)."""
        batch = merge_crops(batch)
        losses, output = self.losses(batch)
        disparity, truth = batch["disparity_px"], batch["truth_px"]
        both = (disparity > 0) & (truth > 0)
        before, after = (disparity - truth)[both].abs(), (output - truth)[both].abs()
        metrics = {f"val/{k}": v for k, v in losses.items()}
        if both.any() and before.median() > 0:  # the same crops in every process
            metrics["val/mae_ratio"] = after.mean() / before.mean()
            metrics["val/median_ratio"] = after.median() / before.median()
        self.log_dict(metrics, prog_bar=True, batch_size=len(disparity), sync_dist=True)

    def configure_optimizers(self):
        """AdamW with warm-up and cosine decay."""
        return self._optimizer(self.network)

    def inputs(self, batch: dict[str, Tensor]) -> list[Tensor]:
        """What the network takes of merged crops, in the order of its forward()."""
        raise NotImplementedError

    def losses(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """The parts of the loss, and the output's disparity."""
        raise NotImplementedError

    def _optimizer(self, network: nn.Module) -> dict:
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.hparams["learning_rate"], weight_decay=1e-4
        )
        total = self.hparams["total_steps"]
        # Not SequentialLR: its saved state would keep the old length of a run that is resumed.
        schedule = LambdaLR(optimizer, lambda step: learning_rate_factor(step, total))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class DisparityModule(TrainingModule):
    """Networks that work in disparity and predict their uncertainty."""

    def inputs(self, batch: dict[str, Tensor]) -> list[Tensor]:  # noqa: D102
        kind = NETWORK_KINDS[NETWORKS[self.hparams["network"]].kind]
        return [batch[name] for name in kind.input_names]

    def losses(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:  # noqa: D102
        output, scale, *choice = (x.float() for x in self.network(*self.inputs(batch)))
        losses = denoising_loss(output, scale, batch["disparity_px"], batch["truth_px"], choice)
        return losses, output


class DepthModule(TrainingModule):
    """Networks of the 2020 Denoise-Autoencoder: mean square error of depth where truth is known."""

    def inputs(self, batch: dict[str, Tensor]) -> list[Tensor]:  # noqa: D102
        return [_depth_mm(batch, "disparity_px"), batch["infrared"]]

    def losses(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:  # noqa: D102
        output = self.network(*self.inputs(batch)).float()
        loss = _mean_square_m(output, _depth_mm(batch, "truth_px"))
        return {"loss": loss}, batch["scale_px_mm"] / output.clamp_min(1.0)


class AdversarialModule(DepthModule):
    """CC-GAN: the generator fills squares cut out of the depth, the discriminator rates them."""

    def __init__(self, network: str, learning_rate: float, total_steps: int) -> None:
        super().__init__(network, learning_rate, total_steps)
        self.discriminator = Discriminator()
        self.automatic_optimization = False  # two optimisers alternate

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """A step of the discriminator, then one of the generator."""
        batch = merge_crops(batch)
        depth, truth = _depth_mm(batch, "disparity_px"), _depth_mm(batch, "truth_px")
        infrared, known = batch["infrared"], (truth > 0).float()
        generated = self.network(depth * _mask_with_squares(depth), infrared).float()
        for_generator, for_discriminator = self.optimizers()  # type: ignore[misc,attr-defined]

        # Unknown truth is 0 in both, so that the discriminator cannot learn where it is unknown.
        true_logits, true_class = self.discriminator(truth, infrared)
        logits, predicted_class = self.discriminator(generated.detach() * known, infrared)
        generated_class = torch.full((len(generated),), GENERATED, device=generated.device)
        discriminator_loss = (
            functional.mse_loss(true_logits, torch.ones_like(true_logits))
            + functional.mse_loss(logits, torch.zeros_like(logits))
            + functional.cross_entropy(true_class, depth_class(truth))
            + functional.cross_entropy(predicted_class, generated_class)
        )
        self._step(for_discriminator, discriminator_loss)

        logits, _ = self.discriminator(generated * known, infrared)
        deceived = functional.mse_loss(logits, torch.ones_like(logits))
        loss = _mean_square_m(generated, truth) + ADVERSARIAL_WEIGHT * deceived
        self._step(for_generator, loss)
        for schedule in self.lr_schedulers():  # type: ignore[union-attr]
            schedule.step()
        self.log_dict(
            {"train/loss": loss, "train/discriminator": discriminator_loss}, prog_bar=True
        )

    def configure_optimizers(self):
        """One for the generator, one for the discriminator."""
        return [self._optimizer(self.network), self._optimizer(self.discriminator)]

    def _step(self, optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()


TRAINING_MODULES: dict[str, type[TrainingModule]] = {
    "disparity": DisparityModule,
    "depth": DepthModule,
    "adversarial": AdversarialModule,
}


def module_for(network: str) -> type[TrainingModule]:
    """The Lightning module that trains a network of NETWORKS."""
    return TRAINING_MODULES[NETWORKS[network].objective]


def learning_rate_factor(step: int, total_steps: int) -> float:
    """Fraction of the maximum learning rate: a linear warm-up, then a cosine decay to 0."""
    done = min(step / total_steps, 1.0)
    if done < WARM_UP_FRACTION:
        return START_FACTOR + (1 - START_FACTOR) * done / WARM_UP_FRACTION
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP_FRACTION) / (1 - WARM_UP_FRACTION)))


def merge_crops(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """[frames, crops, 1, H, W] as one batch."""
    return {name: x.flatten(0, 1) for name, x in batch.items()}


def _depth_mm(batch: dict[str, Tensor], name: str) -> Tensor:
    """Depth of a disparity of the batch; depth beyond the range is clipped to full scale."""
    disparity = batch[name]
    depth = batch["scale_px_mm"] / disparity.clamp_min(1e-6)
    return torch.where(disparity > 0, depth, 0.0).clamp_max(FULL_SCALE)


def _mean_square_m(output_mm: Tensor, truth_mm: Tensor) -> Tensor:
    """Mean square error in metres without the sky, which would dominate a sigmoid over 65 m."""
    known = (truth_mm > 0) & (truth_mm < FULL_SCALE)
    error = torch.where(known, (output_mm - truth_mm) / 1000.0, 0.0)
    return (error**2).sum() / known.sum().clamp_min(1)


def _mask_with_squares(depth: Tensor) -> Tensor:
    """1, and 0 within a few random squares of each crop."""
    mask = torch.ones_like(depth)
    side = int(depth.shape[-1] * MASK_SIDE)
    for crop in mask:
        for _ in range(MASKS):
            top, left = (int(torch.randint(n - side + 1, ())) for n in crop.shape[-2:])
            crop[..., top : top + side, left : left + side] = 0
    return mask
