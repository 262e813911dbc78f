"""Pictures of the progress, for TensorBoard."""

from __future__ import annotations

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from rs_denoise.depth import to_depth_mm
from rs_denoise.drawing.picture import draw_before_after
from rs_denoise.training.lightning_modules import TrainingModule


class BeforeAfter(Callback):
    """Shows a crop before and after denoising and its ground truth, after each validation."""

    def on_validation_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Draws the first crop of the first validation frame."""
        loggers = [each for each in trainer.loggers if isinstance(each, TensorBoardLogger)]
        if trainer.sanity_checking or not loggers or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, TrainingModule)
        item = trainer.val_dataloaders.dataset[0]  # type: ignore[union-attr]
        batch = {name: x[:1].to(pl_module.device) for name, x in item.items()}
        with torch.inference_mode():
            _, output = pl_module.losses(batch)
        scale = float(item["scale_px_mm"][0])
        images = [item["disparity_px"][0, 0], output[0, 0].float().cpu(), item["truth_px"][0, 0]]
        raw, denoised, truth = (to_depth_mm(image.numpy(), scale) for image in images)
        infrared = item["infrared"][0, 0].numpy().astype(np.uint8)
        sheet = draw_before_after(infrared, raw, denoised, truth)[..., ::-1]
        loggers[0].experiment.add_image(
            "before and after", np.ascontiguousarray(sheet), trainer.global_step, dataformats="HWC"
        )
