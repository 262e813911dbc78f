"""Kinds of networks: what each takes and gives, behind one interface for the core.

The core works in disparity and knows no other difference between networks. A kind prepares the
channels of a frame and turns the network's output tensors into disparity and confidence. A network
with other inputs or outputs is one more class here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from rs_denoise.disparity import depth_to_disparity, disparity_to_depth

# Confidence is the probability that depth is within this fraction of the truth.
TOLERANCE = 0.05


@dataclass(frozen=True)
class FrameTensors:
    """One frame on the model's device; images are [1, 1, H, W] float32.

    Attributes:
        measured_px: disparity as measured, 0 = invalid.
        infrared: grey levels 0..255 of the left imager; all 0 where there is none.
        disparity_scale_px_mm: fx * baseline.
    """

    measured_px: Tensor
    infrared: Tensor
    disparity_scale_px_mm: float


class NetworkKind(ABC):
    """The interface between the core and the networks of one kind.

    Attributes:
        inputs, outputs: names of the network's tensors in the order of forward(), as in manifests.
        predicts_uncertainty: whether `read` gives a confidence.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    predicts_uncertainty: bool

    @abstractmethod
    def channels(self, frame: FrameTensors) -> list[Tensor]:
        """The network's inputs for a frame, each [1, 1, H, W] float32."""

    @abstractmethod
    def read(
        self, outputs: list[Tensor], disparity_scale_px_mm: float
    ) -> tuple[Tensor, Tensor | None]:
        """Disparity in px and confidence 0..1 (None without uncertainty) from the outputs."""


class LaplaceNetworks(NetworkKind):
    """Networks that give disparity and the scale b of a Laplace distribution of its error."""

    inputs = ("disparity_px", "infrared")
    outputs = ("disparity_px", "scale_px")
    predicts_uncertainty = True

    def channels(self, frame: FrameTensors) -> list[Tensor]:  # noqa: D102
        return [frame.measured_px, frame.infrared]

    def read(  # noqa: D102
        self, outputs: list[Tensor], disparity_scale_px_mm: float
    ) -> tuple[Tensor, Tensor]:
        disparity_px, scale_px = outputs
        # P(|error| < t d) = 1 - exp(-t d / b); depth errs by the same fraction as disparity.
        confidence = torch.exp(disparity_px / scale_px * -TOLERANCE).neg_().add_(1.0)
        return disparity_px, confidence


class DepthNetworks(NetworkKind):
    """Networks of the 2020 Denoise-Autoencoder: depth in, depth out, without uncertainty."""

    inputs = ("depth_mm", "infrared")
    outputs = ("depth_mm",)
    predicts_uncertainty = False

    def channels(self, frame: FrameTensors) -> list[Tensor]:  # noqa: D102
        depth_mm = disparity_to_depth(frame.measured_px, frame.disparity_scale_px_mm)
        return [depth_mm, frame.infrared]

    def read(  # noqa: D102
        self, outputs: list[Tensor], disparity_scale_px_mm: float
    ) -> tuple[Tensor, None]:
        return depth_to_disparity(outputs[0], disparity_scale_px_mm), None


# By what a manifest has under `confidence`.
NETWORK_KINDS: dict[str, NetworkKind] = {"laplace": LaplaceNetworks(), "none": DepthNetworks()}
