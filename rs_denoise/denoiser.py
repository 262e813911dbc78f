"""The algorithm: disparity, tiles, network, confidence, gate, depth."""

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
from rs_denoise.network_kind import FrameTensors
from rs_denoise.right_image_check import compare_images, explain_mismatch
from rs_denoise.tiling import Tiling

# Without infrared the network lacks half of its input, so its confidence is reduced by this factor.
DEPTH_ONLY_FACTOR = 0.8
DEFAULT_TILE_PX = 1536
# The nearest depth that is used, in baselines. Nearer points are outside both images, and no camera
# searches for such disparities, but a corrupted pixel may contain one.
MIN_DEPTH_IN_BASELINES = 0.5
MAX_GREY = 255


class FrameError(ValueError):
    """A frame that does not fit the camera; the message says what was expected and received."""


class NetworkError(RuntimeError):
    """A network that returned NaN or infinity: the model file or the device is broken."""


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
        right_rejection: why the right infrared image was not used; None if it was, or if there was
            none.
    """

    depth_mm: np.ndarray
    confidence: np.ndarray
    valid_before_range: float
    right_rejection: str | None = None


@dataclass(frozen=True)
class Estimate:
    """The network's output before any gate; tensors [1, 1, H, W] float32 on its device.

    Attributes:
        measured_px: disparity as the camera measured it, 0 = invalid.
        disparity_px: the network's disparity, at every pixel except those of negative depth: 0.
        confidence: 0..1; None if the network predicts no uncertainty.
        right_rejection: as of `Denoised`.
    """

    measured_px: Tensor
    disparity_px: Tensor
    confidence: Tensor | None
    right_rejection: str | None = None


class Denoiser:
    """Denoises the frames of one camera.

    Args:
        model: the network, loaded.
        camera: of the frames. Depth is converted to disparity and back with fx * baseline, so a
            wrong baseline hardly changes the scale of depth; but both infrared images are then
            compared at the wrong pixels, and the right one is not used.
        gate: limits for what is published.
        tile_px: largest side of a tile; bounds the memory that the network needs.
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

    def denoise(
        self,
        depth_mm: np.ndarray,
        infrared: np.ndarray | None = None,
        infrared_right: np.ndarray | None = None,
    ) -> Denoised:
        """Denoises one frame.

        Args:
            depth_mm: [H, W], uint16 or float, mm; 0, NaN, infinity and masked pixels are holes.
                Pixels nearer than half the baseline become invalid, as do negative ones and
                -infinity: in REP 117 an object is too close to be measured there.
            infrared: [H, W], grey levels 0..255 of the left imager, taken at the same time. None
                if there is none; confidence is then lower.
            infrared_right: the same of the right imager, used together with the left one by models
                that can (`model.kind.uses_right_infrared`). One that does not show what depth shows
                is not used, with the reason in the result's `right_rejection`.

        Raises:
            FrameError: the size is not the camera's, the type is not numeric, or the values can
                only be of another unit.
            NetworkError: the network returned NaN or infinity.
        """
        return self.apply_gate(self.estimate(depth_mm, infrared, infrared_right), self.gate)

    @torch.inference_mode()
    def estimate(
        self,
        depth_mm: np.ndarray,
        infrared: np.ndarray | None = None,
        infrared_right: np.ndarray | None = None,
    ) -> Estimate:
        """Runs the network on one frame; arguments and errors are those of `denoise`."""
        scale = self.camera.disparity_scale_px_mm
        kind = self.model.kind
        uploaded_mm = self._upload(depth_mm, "depth")
        measured_px = depth_to_disparity(uploaded_mm, scale)
        left, right = torch.zeros_like(measured_px), None
        if infrared is not None:
            left = self._upload_infrared(infrared, "infrared")
            if infrared_right is not None and kind.uses_right_infrared:
                right = self._upload_infrared(infrared_right, "right infrared")
        possible_px = self._drop_impossible(measured_px)
        if depth_mm.dtype.kind == "f" and measured_px.any() and not possible_px.any():
            raise FrameError(
                "every pixel of depth is nearer than half the baseline: is it in metres? "
                "Millimetres are expected"
            )
        rejection = None if right is None else self._reject_right(possible_px, left, right)
        if rejection is not None:
            right = None
        outputs = self._run_in_tiles(FrameTensors(possible_px, left, right, scale))
        disparity_px, confidence = kind.decode_outputs(outputs, scale)
        self._check_finite(outputs if confidence is None else [*outputs, confidence])
        if infrared is None and confidence is not None:
            confidence.mul_(DEPTH_ONLY_FACTOR)
        if depth_mm.dtype.kind != "u":
            # Something is there, too close to be measured: it is no hole to fill with what is
            # behind it. No gate accepts disparity 0.
            disparity_px = disparity_px * (uploaded_mm < 0).logical_not_()
        return Estimate(measured_px, disparity_px, confidence, rejection)

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
        return Denoised(depth, confidence_image, valid_before_range, estimate.right_rejection)

    def _drop_impossible(self, measured_px: Tensor) -> Tensor:
        """Sets disparity that no camera can measure to 0, for the network alone.

        A single such pixel would outweigh all others in the means that the network computes. The
        gate still sees it and does not fill it: the camera measured something there.
        """
        greatest_px = self.camera.fx / MIN_DEPTH_IN_BASELINES
        # threshold() drops values below a limit; negated, it drops those above.
        return functional.threshold(-measured_px, -greatest_px, 0.0).abs_()

    def _reject_right(self, measured_px: Tensor, left: Tensor, right: Tensor) -> str | None:
        """Why the right image does not belong to depth; None if it does, or if that is unknown."""
        comparison = compare_images(measured_px, left, right)
        if comparison is None:
            return None
        return explain_mismatch(comparison, self.camera.baseline_m)

    def _run_in_tiles(self, frame: FrameTensors) -> list[Tensor]:
        """The network's outputs for a whole frame, [1, 1, H, W] each."""
        height, width = frame.measured_px.shape[-2:]
        inputs, strides = self._padded_inputs(frame), [i.stride for i in self.model.kind.inputs]
        tiles = list(self.tiling.tiles(*inputs[0].shape[-2:]))
        if len(tiles) == 1:
            outputs = list(self.model(*inputs))
        else:
            outputs = [torch.empty_like(inputs[0]) for _ in self.model.kind.outputs]
            for tile in tiles:
                window = [x[tile.window(s)] for x, s in zip(inputs, strides, strict=True)]
                for output, part in zip(outputs, self.model(*window), strict=True):
                    output[..., tile.core_rows, tile.core_columns] = part[(..., *tile.kept)]
        return [output[..., :height, :width] for output in outputs]

    def _padded_inputs(self, frame: FrameTensors) -> list[Tensor]:
        """The network's inputs for a frame that is padded with invalid pixels to whole strides."""
        height, width = frame.measured_px.shape[-2:]
        bottom, right = self.tiling.padded(height) - height, self.tiling.padded(width) - width

        def pad(image: Tensor) -> Tensor:
            return functional.pad(image, (0, right, 0, bottom))

        other = frame.infrared_right
        return self.model.kind.prepare_inputs(
            FrameTensors(
                pad(frame.measured_px),
                pad(frame.infrared),
                None if other is None else pad(other),
                frame.disparity_scale_px_mm,
            )
        )

    def _check_finite(self, images: list[Tensor]) -> None:
        # One sum for all: NaN or infinity in any pixel makes it NaN or infinite.
        if not math.isfinite(torch.stack([image.sum() for image in images]).sum().item()):
            raise NetworkError(
                f"model {self.model.manifest.name} returned NaN or infinity on "
                f"{self.model.device_name}: the file or the device is broken; export the model "
                "again, or use device:=cpu"
            )

    def _upload_infrared(self, image: np.ndarray, name: str) -> Tensor:
        uploaded = self._upload(image, name)
        if image.dtype == np.uint8:
            return uploaded
        darkest, brightest = (level.item() for level in torch.aminmax(uploaded))
        is_fraction = image.dtype.kind == "f" and 0 < brightest <= 1
        if not (darkest >= 0 and brightest <= MAX_GREY) or is_fraction:
            raise FrameError(
                f"{name} must be grey levels 0 to {MAX_GREY}, got {image.dtype} from {darkest:g} "
                f"to {brightest:g}: scale it to 8 bits"
            )
        return uploaded

    def _upload(self, image: np.ndarray, name: str) -> Tensor:
        """[H, W] of any real type as [1, 1, H, W] float32 on the model's device."""
        expected = (self.camera.height, self.camera.width)
        if not isinstance(image, np.ndarray):
            raise FrameError(f"{name} must be a NumPy array, got a {type(image).__name__}")
        if isinstance(image, np.ma.MaskedArray):
            image = image.filled(0)
        if image.dtype.kind not in "uif":
            raise FrameError(f"{name} must be of integers or floats, got {image.dtype}")
        if image.ndim != 2:
            raise FrameError(
                f"{name} must have one channel, shape {expected}, got shape {image.shape}: pass "
                "a single channel, such as image[..., 0]"
            )
        if image.shape != expected:
            raise FrameError(
                f"{name} must be {expected[1]}x{expected[0]} as its camera_info says, got "
                f"{image.shape[1]}x{image.shape[0]}: are depth and infrared set to one profile?"
            )
        # Small types are sent as they are: a GPU converts to float faster than the bus transfers.
        kept = image.dtype if image.dtype.itemsize <= 2 and image.dtype.kind == "u" else np.float32
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinity, so invalid
            native = np.require(image, np.dtype(kept).newbyteorder("="), ["C", "W"])
        tensor = torch.from_numpy(native)
        if self._on_gpu:
            # From torch's own pool, so that frames allocate no memory.
            tensor = tensor.pin_memory()
        moved = tensor.to(self.model.device, non_blocking=True)
        return moved.to(torch.float32)[None, None]

    def _download(self, *images: Tensor) -> list[np.ndarray]:
        """Images [1, 1, H, W] as [H, W] float32; from a GPU in one transfer to pinned memory."""
        if self._on_gpu:
            together = torch.cat(images)
            host = torch.empty(together.shape, dtype=together.dtype, pin_memory=True)
            return list(host.copy_(together)[:, 0].numpy())
        return [image[0, 0].numpy() for image in images]

    @property
    def _on_gpu(self) -> bool:
        return self.model.device.type == "cuda"
