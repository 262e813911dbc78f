"""The training loops, as PyTorch Lightning wants them: one for each family of networks."""

from __future__ import annotations

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_denoise.networks import NETWORKS
from rs_denoise.networks.ccgan import GENERATED, Discriminator, depth_class
from rs_denoise.networks.classic import FULL_SCALE
from rs_denoise.training.losses import denoising_loss
from rs_denoise.training.schedule import share_of_learning_rate

# The generator is judged by what it fills and by what it makes of the rest.
ADVERSARIAL_WEIGHT = 0.01
MASKS, MASK_SHARE = 4, 0.2


class TrainingModule(lightning.LightningModule):
    """A network with its optimiser and the figures of validation.

    Args:
        network: a key of NETWORKS.
        learning_rate: the greatest.
        total_steps: optimiser steps of the whole run; a resumed run may have more than before.
    """

    def __init__(self, network: str, learning_rate: float, total_steps: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        # Channels last is the order in which convolutions are fast.
        self.network = NETWORKS[network]().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor | None:
        """The loss of a batch of `CropDataset`."""
        losses, _ = self.losses(_flat(batch))
        self.log_dict({f"train/{k}": v for k, v in losses.items()}, prog_bar=True)
        return losses["loss"]

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Besides the loss: the error against the input's over the same pixels, 1 = no better."""
        batch = _flat(batch)
        losses, output = self.losses(batch)
        disparity, truth = batch["disparity_px"], batch["truth_px"]
        both = (disparity > 0) & (truth > 0)
        before, after = (disparity - truth)[both].abs(), (output - truth)[both].abs()
        figures = {f"val/{k}": v for k, v in losses.items()}
        figures["val/mae_ratio"] = after.mean() / before.mean()
        figures["val/median_ratio"] = after.median() / before.median()
        self.log_dict(figures, prog_bar=True, batch_size=len(disparity), sync_dist=True)

    def configure_optimizers(self):
        """AdamW with warm-up and cosine decay."""
        return self._optimizer(self.network)

    def losses(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """The parts of the loss, and the output's disparity."""
        raise NotImplementedError

    def _optimizer(self, network: nn.Module) -> dict:
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.hparams["learning_rate"], weight_decay=1e-4
        )
        total = self.hparams["total_steps"]
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: share_of_learning_rate(step, total)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class DenoisingModule(TrainingModule):
    """Networks that work in disparity and know their doubt."""

    def losses(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:  # noqa: D102
        output, scale = self.network(batch["disparity_px"], batch["infrared"])
        losses = denoising_loss(
            output.float(), scale.float(), batch["disparity_px"], batch["truth_px"]
        )
        return losses, output


class ClassicModule(TrainingModule):
    """The ancestor's networks, by the mean square of depth where ground truth is known."""

    def losses(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:  # noqa: D102
        depth, truth = _depth(batch, "disparity_px"), _depth(batch, "truth_px")
        output = self.network(depth, batch["infrared"]).float()
        return {"loss": _square_error(output, truth)}, _disparity(batch, output)


class GanModule(TrainingModule):
    """CC-GAN: squares are cut out of the depth, the generator fills them, the other one judges."""

    def __init__(self, network: str, learning_rate: float, total_steps: int) -> None:
        super().__init__(network, learning_rate, total_steps)
        self.discriminator = Discriminator()
        self.automatic_optimization = False  # two optimisers take turns

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """A step of the discriminator, then one of the generator."""
        batch = _flat(batch)
        depth, truth = _depth(batch, "disparity_px"), _depth(batch, "truth_px")
        infrared, known = batch["infrared"], (truth > 0).float()
        made = self.network(depth * _mask(depth), infrared).float()
        for_generator, for_discriminator = self.optimizers()  # type: ignore[misc,attr-defined]

        # What is unknown is unknown to both: the judge must not learn where the scanner was blind.
        true_logits, true_label = self.discriminator(truth, infrared)
        made_logits, made_label = self.discriminator(made.detach() * known, infrared)
        generated = torch.full((len(made),), GENERATED, device=made.device)
        judged = (
            functional.mse_loss(true_logits, torch.ones_like(true_logits))
            + functional.mse_loss(made_logits, torch.zeros_like(made_logits))
            + functional.cross_entropy(true_label, depth_class(truth))
            + functional.cross_entropy(made_label, generated)
        )
        self._step(for_discriminator, judged)

        logits, _ = self.discriminator(made * known, infrared)
        deceived = functional.mse_loss(logits, torch.ones_like(logits))
        loss = _square_error(made, truth) + ADVERSARIAL_WEIGHT * deceived
        self._step(for_generator, loss)
        for schedule in self.lr_schedulers():  # type: ignore[union-attr]
            schedule.step()
        self.log_dict({"train/loss": loss, "train/judge": judged}, prog_bar=True)

    def configure_optimizers(self):
        """One for each side."""
        return [self._optimizer(self.network), self._optimizer(self.discriminator)]

    def losses(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:  # noqa: D102
        output = self.network(_depth(batch, "disparity_px"), batch["infrared"]).float()
        loss = _square_error(output, _depth(batch, "truth_px"))
        return {"loss": loss}, _disparity(batch, output)

    def _step(self, optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()


def module_for(network: str) -> type[TrainingModule]:
    """The training loop of a network of NETWORKS."""
    if network.startswith("ccgan"):
        return GanModule
    return ClassicModule if network.endswith("-classic") else DenoisingModule


def _flat(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """[frames, crops, 1, H, W] as one batch."""
    return {name: x.flatten(0, 1) for name, x in batch.items()}


def _depth(batch: dict[str, Tensor], name: str) -> Tensor:
    disparity = batch[name]
    depth = batch["scale_px_mm"] / disparity.clamp_min(1e-6)
    return torch.where(disparity > 0, depth, 0.0).clamp_max(FULL_SCALE)


def _disparity(batch: dict[str, Tensor], depth_mm: Tensor) -> Tensor:
    return batch["scale_px_mm"] / depth_mm.clamp_min(1.0)


def _square_error(output_mm: Tensor, truth_mm: Tensor) -> Tensor:
    """In metres; the sky does not count, for a sigmoid over 65 m would learn nothing else."""
    known = (truth_mm > 0) & (truth_mm < FULL_SCALE)
    error = torch.where(known, (output_mm - truth_mm) / 1000.0, 0.0)
    return (error**2).sum() / known.sum().clamp_min(1)


def _mask(depth: Tensor) -> Tensor:
    """1, and 0 within a few random squares of each crop."""
    mask = torch.ones_like(depth)
    side = int(depth.shape[-1] * MASK_SHARE)
    for crop in mask:
        for _ in range(MASKS):
            top, left = (int(torch.randint(n - side + 1, ())) for n in crop.shape[-2:])
            crop[..., top : top + side, left : left + side] = 0
    return mask
