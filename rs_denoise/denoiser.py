"""The whole algorithm, on one page."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rs_denoise.camera import Camera
from rs_denoise.disparity import depth_to_disparity, disparity_to_depth
from rs_denoise.gate import Gate
from rs_denoise.model import Model
from rs_denoise.tiling import Tiling

# Confidence is the probability that depth is within this share of the truth.
TOLERANCE = 0.05
# Without infrared the network sees half of what it was made for; said in the result.
DEPTH_ONLY_FACTOR = 0.8
DEFAULT_TILE_PX = 1536


class FrameError(ValueError):
    """A frame that does not fit the camera; the message says what was expected and what came."""


class NetworkError(RuntimeError):
    """A network whose answer is not a number: the model file or the device is broken."""


@dataclass(frozen=True)
class Denoised:
    """The result for one frame.

    Attributes:
        depth_mm: [H, W] float32, 0 = invalid.
        confidence: [H, W] float32: the probability that depth is within 5 % of the truth, 0..1;
            0 where depth is invalid. NaN where depth is valid if the network predicts no
            uncertainty.
        valid_before_range: fraction of the pixels that were valid before the gate's range limits,
            0..1.
    """

    depth_mm: np.ndarray
    confidence: np.ndarray
    valid_before_range: float


@dataclass(frozen=True)
class Estimate:
    """The network's answer before any gate; tensors [1, 1, H, W] float32 on its device.

    Attributes:
        measured_px: disparity as the camera measured it, 0 = invalid.
        disparity_px: the network's disparity, at every pixel.
        confidence: 0..1; None if the network predicts no uncertainty.
    """

    measured_px: Tensor
    disparity_px: Tensor
    confidence: Tensor | None


class Denoiser:
    """Denoises the frames of one camera.

    Args:
        model: the network, loaded.
        camera: of the frames. fx * baseline takes depth to disparity and back, so that a wrong
            baseline cancels out of the depth and only misjudges the size of the noise.
        gate: what may be published.
        tile_px: greatest side of what the network computes at once; bounds memory.
    """

    def __init__(
        self,
        model: Model,
        camera: Camera,
        gate: Gate | None = None,
        tile_px: int = DEFAULT_TILE_PX,
    ) -> None:
        self.model, self.camera, self.gate = model, camera, gate or Gate()
        manifest = model.manifest
        self.tiling = Tiling(tile_px, manifest.receptive_field_px, manifest.stride_px)

    def denoise(self, depth_mm: np.ndarray, infrared: np.ndarray | None = None) -> Denoised:
        """Denoises one frame.

        Args:
            depth_mm: [H, W], uint16 or float, mm; 0, NaN and infinity are invalid.
            infrared: [H, W], grey levels 0..255 of the left imager, of the same moment; None
                where there is none, at the price of confidence.

        Raises:
            FrameError: the size is not the camera's, or the type is not a number's.
            NetworkError: the network gave NaN.
        """
        return self.apply_gate(self.estimate(depth_mm, infrared), self.gate)

    @torch.inference_mode()
    def estimate(self, depth_mm: np.ndarray, infrared: np.ndarray | None = None) -> Estimate:
        """The network's answer, all of it; arguments and errors as of `denoise`."""
        scale = self.camera.disparity_scale_px_mm
        measured = depth_to_disparity(self._upload(depth_mm, "depth"), scale)
        grey = (
            torch.zeros_like(measured) if infrared is None else self._upload(infrared, "infrared")
        )
        if not self.model.predicts_uncertainty:
            (output_mm,) = self._tile_by_tile(disparity_to_depth(measured, scale), grey)
            self._check_finite(output_mm)
            return Estimate(measured, depth_to_disparity(output_mm, scale), None)
        output, scale_px = self._tile_by_tile(measured, grey)
        confidence = torch.exp(output / scale_px * -TOLERANCE).neg_().add_(1.0)
        self._check_finite(confidence)
        if infrared is None:
            confidence.mul_(DEPTH_ONLY_FACTOR)
        return Estimate(measured, output, confidence)

    @torch.inference_mode()
    def apply_gate(self, estimate: Estimate, gate: Gate) -> Denoised:
        """Publishes the pixels of an estimate that pass `gate`."""
        mask = gate.accept_mask(estimate.measured_px, estimate.disparity_px, estimate.confidence)
        scale = self.camera.disparity_scale_px_mm
        accepted_mm = disparity_to_depth(estimate.disparity_px * mask.float(), scale)
        depth_mm = gate.drop_out_of_range(accepted_mm)
        if estimate.confidence is None:
            confidence = torch.where(depth_mm > 0, torch.nan, 0.0)
        else:
            confidence = estimate.confidence * torch.sign(depth_mm)
        valid_before_range = torch.count_nonzero(accepted_mm).item() / accepted_mm.numel()
        depth, confidence_image = self._download(depth_mm, confidence)
        return Denoised(depth, confidence_image, valid_before_range)

    def _tile_by_tile(self, image: Tensor, grey: Tensor) -> list[Tensor]:
        height, width = image.shape[-2:]
        bottom, right = self.tiling.padded(height) - height, self.tiling.padded(width) - width
        frame = [functional.pad(x, (0, right, 0, bottom)) for x in (image, grey)]
        tiles = list(self.tiling.tiles(*frame[0].shape[-2:]))
        if len(tiles) == 1:
            results = list(self.model(*frame))
        else:
            results = [torch.empty_like(frame[0]) for _ in self.model.manifest.outputs]
            for tile in tiles:
                window = [x[..., tile.rows, tile.columns] for x in frame]
                for result, output in zip(results, self.model(*window), strict=True):
                    result[..., tile.core_rows, tile.core_columns] = output[(..., *tile.kept)]
        return [result[..., :height, :width] for result in results]

    def _check_finite(self, answer: Tensor) -> None:
        # One sum: NaN and infinity anywhere make it NaN or infinite.
        if not math.isfinite(answer.sum().item()):
            raise NetworkError(
                f"model {self.model.manifest.name} gave numbers that are none (NaN) on "
                f"{self.model.device}: the file or the device is broken; export the model again, "
                "or use device:=cpu"
            )

    def _upload(self, image: np.ndarray, name: str) -> Tensor:
        """[H, W] of any real type as [1, 1, H, W] float32 on the model's device."""
        expected = (self.camera.height, self.camera.width)
        if image.shape != expected or image.dtype.kind not in "uif":
            raise FrameError(
                f"{name} must be {expected[1]}x{expected[0]} numbers as its camera_info says, got "
                f"{image.dtype} of shape {image.shape}: are depth and infrared set to one profile?"
            )
        # As it is, in the machine's byte order: a GPU makes floats faster than the bus takes them.
        kept = image.dtype if image.dtype.itemsize <= 2 and image.dtype.kind == "u" else np.float32
        native = np.require(image, np.dtype(kept).newbyteorder("="), ["C", "W"])
        tensor = torch.from_numpy(native)
        if self._on_gpu:
            # Of torch's own pool, so that nothing is allocated from frame to frame.
            tensor = tensor.pin_memory()
        moved = tensor.to(self.model.device, non_blocking=True)
        return moved.to(torch.float32)[None, None]

    def _download(self, *images: Tensor) -> list[np.ndarray]:
        """Images [1, 1, H, W] as [H, W] float32; from a GPU all at once, into pinned memory."""
        if self._on_gpu:
            together = torch.cat(images)
            host = torch.empty(together.shape, dtype=together.dtype, pin_memory=True)
            return list(host.copy_(together)[:, 0].numpy())
        return [image[0, 0].numpy() for image in images]

    @property
    def _on_gpu(self) -> bool:
        return self.model.device.type == "cuda"
