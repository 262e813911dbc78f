"""Kinds of networks: their inputs and outputs, behind one interface for the core.

The core works in disparity and sees no other difference between networks. A kind prepares the
inputs of a frame and converts the network's outputs to disparity and confidence. To support a
network with other inputs or outputs, add a class here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from rs_denoise.disparity import depth_to_disparity, disparity_to_depth
from rs_denoise.matching import (
    EVIDENCE_CHANNELS,
    STRIDE,
    candidate_surfaces,
    matching_evidence,
)

# Confidence is the probability that depth is within this fraction of the truth.
TOLERANCE = 0.05


@dataclass(frozen=True)
class FrameTensors:
    """One frame on the model's device; images are [1, 1, H, W] float32.

    Attributes:
        measured_px: disparity as measured, 0 = invalid.
        infrared: grey levels 0..255 of the left imager; all 0 where there is none.
        infrared_right: those of the right imager, or None.
        disparity_scale_px_mm: fx * baseline.
    """

    measured_px: Tensor
    infrared: Tensor
    infrared_right: Tensor | None
    disparity_scale_px_mm: float


@dataclass(frozen=True)
class NetworkInput:
    """One input of a network.

    Attributes:
        name: as in manifests.
        channels: number of channels of its tensor.
        stride: the tensor has every stride-th pixel of every stride-th row.
    """

    name: str
    channels: int = 1
    stride: int = 1


class NetworkKind(ABC):
    """The interface between the core and the networks of one kind.

    Attributes:
        inputs: the network's inputs in the order of forward().
        outputs: names of the network's outputs in their order, as in manifests.
        predicts_uncertainty: whether `decode_outputs` returns a confidence.
        uses_right_infrared: whether the network can use the right infrared image.
    """

    inputs: tuple[NetworkInput, ...]
    outputs: tuple[str, ...]
    predicts_uncertainty: bool
    uses_right_infrared: bool = False

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs, as in manifests."""
        return [i.name for i in self.inputs]

    @abstractmethod
    def prepare_inputs(self, frame: FrameTensors) -> list[Tensor]:
        """The network's inputs for a frame, [1, C, H / stride, W / stride] float32 each."""

    @abstractmethod
    def decode_outputs(
        self, outputs: list[Tensor], disparity_scale_px_mm: float
    ) -> tuple[Tensor, Tensor | None]:
        """Disparity in px and confidence 0..1 (None without uncertainty) from the outputs."""


class LaplaceNetworkKind(NetworkKind):
    """Networks that predict disparity and the scale b of a Laplace distribution of its error."""

    inputs: tuple[NetworkInput, ...] = (NetworkInput("disparity_px"), NetworkInput("infrared"))
    outputs = ("disparity_px", "scale_px")
    predicts_uncertainty = True

    def prepare_inputs(self, frame: FrameTensors) -> list[Tensor]:  # noqa: D102
        return [frame.measured_px, frame.infrared]

    def decode_outputs(  # noqa: D102
        self, outputs: list[Tensor], disparity_scale_px_mm: float
    ) -> tuple[Tensor, Tensor]:
        disparity_px, scale_px = outputs
        # P(|error| < t d) = 1 - exp(-t d / b); relative errors of depth and disparity are equal.
        confidence = torch.exp(disparity_px / scale_px * -TOLERANCE).neg_().add_(1.0)
        return disparity_px, confidence


class StereoNetworkKind(LaplaceNetworkKind):
    """Networks that also use the matching evidence of the left and the right infrared image."""

    inputs = (
        NetworkInput("disparity_px"),
        NetworkInput("infrared"),
        NetworkInput("surfaces_px", 2, STRIDE),
        NetworkInput("evidence", EVIDENCE_CHANNELS, STRIDE),
    )
    uses_right_infrared = True

    def prepare_inputs(self, frame: FrameTensors) -> list[Tensor]:  # noqa: D102
        measured, left = frame.measured_px, frame.infrared
        surfaces = candidate_surfaces(measured)
        evidence = matching_evidence(measured, surfaces, left, frame.infrared_right)
        return [measured, left, surfaces, evidence]


class DepthNetworkKind(NetworkKind):
    """Networks of the 2020 Denoise-Autoencoder: depth in, depth out, without uncertainty."""

    inputs = (NetworkInput("depth_mm"), NetworkInput("infrared"))
    outputs = ("depth_mm",)
    predicts_uncertainty = False

    def prepare_inputs(self, frame: FrameTensors) -> list[Tensor]:  # noqa: D102
        depth_mm = disparity_to_depth(frame.measured_px, frame.disparity_scale_px_mm)
        return [depth_mm, frame.infrared]

    def decode_outputs(  # noqa: D102
        self, outputs: list[Tensor], disparity_scale_px_mm: float
    ) -> tuple[Tensor, None]:
        return depth_to_disparity(outputs[0], disparity_scale_px_mm), None


# By the manifest's key `confidence`.
NETWORK_KINDS: dict[str, NetworkKind] = {
    "laplace": LaplaceNetworkKind(),
    "laplace-stereo": StereoNetworkKind(),
    "none": DepthNetworkKind(),
}
