"""Denoises the frames of recordings with the node's core; used by all offline commands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rs_denoise.depth import round_like
from rs_denoise.gate import Gate
from rs_denoise.recordings.frame import WITHOUT_INFRARED, Frame
from rs_denoise.recordings.map_ahead import CORES, THREADS

if TYPE_CHECKING:  # PyTorch is imported with the first model, not for --help or a missing file.
    from rs_denoise.denoiser import Denoised, Denoiser, Estimate
    from rs_denoise.model import Model

# Names of the camera's own depth and of denoised depth wherever methods are compared.
RAW, DENOISED = "raw", "denoised"
# Suffix of the method that runs a model without the right infrared that it could use.
LEFT_ONLY = "_left_only"
# A method returns a frame's depth in mm, [H, W], 0 = invalid.
Method = Callable[[Frame], np.ndarray]
# Passes on the frames of a recording and shows the progress; the number is their count, or None.
Progress = Callable[[Iterable[Frame], int | None], Iterable[Frame]]


class OfflineDenoiser:
    """Denoises frames of any cameras as the node would.

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
        """Denoised depth in mm, [H, W] in the type of the frame's depth, 0 = invalid."""
        return round_like(self.denoise(frame).depth_mm, frame.depth_mm)

    def denoise(self, frame: Frame) -> Denoised:
        """Denoised depth with its confidence; errors are those of `Denoiser.denoise`."""
        denoiser, estimate = self._network.run(frame)
        return denoiser.apply_gate(estimate, self.gate)

    def time(self, frame: Frame) -> float:
        """Runs the network on a frame and returns how long that takes, ms.

        With all threads of PyTorch; the gate, about a millisecond, is not counted.
        """
        return self._network.time(frame)


def explain_rejected(reasons: Iterable[str | None]) -> dict[str, str]:
    """What to tell a user about right infrared images that were not used, as `Recording.skipped`.

    Args:
        reasons: `right_rejection` of each frame.
    """
    of_frames = list(reasons)
    rejected = [reason for reason in of_frames if reason is not None]
    if not rejected:
        return {}
    what = f"right infrared of {len(rejected)} of {len(of_frames)} denoised frames"
    return {what: f"{rejected[0]} They are {WITHOUT_INFRARED['right infrared']}"}


def use_share_of_cores() -> None:
    """Limits PyTorch in the calling thread, one of those of `map_ahead`, to its part of the cores.

    Threads that each denoise their own frame are faster than all cores on one frame: those wait for
    each other after every layer, and for whatever else runs on a core.
    """
    import torch

    torch.set_num_threads(CORES // THREADS)


class _Network:
    """A model, the denoiser of the latest camera and, per thread, the latest estimate."""

    def __init__(self, model: Model, right_infrared: bool = True) -> None:
        self.model, self._right_infrared = model, right_infrared
        self._denoiser: Denoiser | None = None
        self._latest = _LatestEstimate()
        # A GPU computes one frame at a time; a CPU has a core for each thread.
        self._turn = nullcontext() if model.device_name == "cpu" else threading.Lock()

    def run(self, frame: Frame) -> tuple[Denoiser, Estimate]:
        denoiser, latest = self._denoiser_of(frame), self._latest
        if latest.estimate is None or latest.frame is not frame:
            latest.frame, latest.estimate = frame, self._estimate(denoiser, frame)
        return denoiser, latest.estimate

    def time(self, frame: Frame) -> float:
        denoiser, start = self._denoiser_of(frame), time.perf_counter()
        self._estimate(denoiser, frame)
        return 1e3 * (time.perf_counter() - start)

    def _estimate(self, denoiser: Denoiser, frame: Frame) -> Estimate:
        right = frame.infrared_right if self._right_infrared else None
        with self._turn:
            return denoiser.estimate(frame.measured_mm, frame.infrared, right)

    def _denoiser_of(self, frame: Frame) -> Denoiser:
        from rs_denoise.denoiser import Denoiser

        denoiser = self._denoiser
        if denoiser is None or denoiser.camera != frame.camera:
            self._denoiser = denoiser = Denoiser(self.model, frame.camera)
        return denoiser


class _LatestEstimate(threading.local):
    """The estimate of a thread's latest frame, which all gates use."""

    frame: Frame | None = None
    estimate: Estimate | None = None
