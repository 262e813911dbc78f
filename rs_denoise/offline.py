"""Recordings through the same core as the node: what every command that denoises offline uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rs_denoise.depth import round_like
from rs_denoise.gate import Gate
from rs_denoise.recordings.frame import Frame

if TYPE_CHECKING:  # PyTorch is imported with the first model, not for --help or a missing file.
    from rs_denoise.denoiser import Denoised, Denoiser, Estimate
    from rs_denoise.model import Model

# What depth of the camera itself, and denoised depth, are called wherever methods are compared.
RAW, DENOISED = "raw", "denoised"
# Of a model that uses the right infrared, the name of the method without it ends so.
LEFT_ONLY = "_left_only"
# A method gives [H, W] depth of a frame in mm, 0 = invalid.
Method = Callable[[Frame], np.ndarray]
# Passes on the frames of a recording and shows how far it is; the number is how many come, or None.
Progress = Callable[[Iterable[Frame], int | None], Iterable[Frame]]


class OfflineDenoiser:
    """Denoises the frames of recordings, whatever cameras took them, as the node would.

    Denoisers made by `with_gate` share the network, which runs once a frame for all of them.

    Args:
        model: the network, loaded.
        gate: which pixels are published.
    """

    def __init__(self, model: Model, gate: Gate | None = None) -> None:
        self.model, self.gate, self._network = model, gate or Gate(), _Network(model)

    @classmethod
    def load(
        cls, path: Path | str, device: str = "auto", gate: Gate | None = None
    ) -> OfflineDenoiser:
        """Loads a model file; arguments and errors are those of `Model.load`."""
        from rs_denoise.precision import load_with_fallback

        return cls(load_with_fallback(path, device), gate)

    def with_gate(self, gate: Gate) -> OfflineDenoiser:
        """A denoiser with the same network and another gate."""
        other = OfflineDenoiser(self.model, gate)
        other._network = self._network
        return other

    def without_right_infrared(self) -> OfflineDenoiser:
        """A denoiser with the same model and gate that never uses the right infrared."""
        other = OfflineDenoiser(self.model, self.gate)
        other._network = _Network(self.model, right_infrared=False)
        return other

    def shares_network_with(self, other: OfflineDenoiser) -> bool:
        """Whether only the gates of the two differ."""
        return self._network is other._network

    def __call__(self, frame: Frame) -> np.ndarray:
        """Denoised depth in mm, [H, W] of the type of the frame's depth, 0 = invalid."""
        return round_like(self.denoise(frame).depth_mm, frame.depth_mm)

    def denoise(self, frame: Frame) -> Denoised:
        """Denoised depth with its confidence; errors are those of `Denoiser.denoise`."""
        denoiser, estimate = self._network.run(frame)
        return denoiser.apply_gate(estimate, self.gate)

    @property
    def times_ms(self) -> list[float]:
        """How long the network took for each frame; the gate, about a millisecond, not counted."""
        return self._network.times_ms


class _Network:
    """A model with the denoiser of the latest camera and the estimate of the latest frame."""

    def __init__(self, model: Model, right_infrared: bool = True) -> None:
        self.model, self._right_infrared = model, right_infrared
        self.times_ms: list[float] = []
        self._denoiser: Denoiser | None = None
        self._latest: tuple[Frame, Estimate] | None = None

    def run(self, frame: Frame) -> tuple[Denoiser, Estimate]:
        from rs_denoise.denoiser import Denoiser

        # Several threads may be here, each with a frame of its own.
        denoiser, latest = self._denoiser, self._latest
        if denoiser is None or denoiser.camera != frame.camera:
            self._denoiser = denoiser = Denoiser(self.model, frame.camera)
        if latest is None or latest[0] is not frame:
            start = time.perf_counter()
            right = frame.infrared_right if self._right_infrared else None
            estimate = denoiser.estimate(frame.depth_mm, frame.infrared, right)
            self._latest = latest = frame, estimate
            self.times_ms.append(1e3 * (time.perf_counter() - start))
        return denoiser, latest[1]
