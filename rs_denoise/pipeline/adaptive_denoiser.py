"""The denoiser of a camera that may change, on a device whose memory may become full."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.denoiser import Denoised, Denoiser
from rs_denoise.gate import Gate
from rs_denoise.model import Model
from rs_denoise.pipeline.device import (
    DeviceLostError,
    DeviceMemoryError,
    is_device_lost,
    is_out_of_memory,
    release_cached_memory,
)
from rs_denoise.tiling import TilingError


class AdaptiveDenoiser:
    """Denoises frames, each with its own camera and gate, and halves its tiles when memory is full.

    Several threads may call it.

    Args:
        model: the network, loaded.
        tile_px: largest side of a tile, px.

    Attributes:
        tile_px: the same, as small as memory has required so far.
    """

    def __init__(self, model: Model, tile_px: int) -> None:
        self.tile_px = tile_px
        self._model = model
        self._denoiser: Denoiser | None = None

    def denoise(
        self,
        depth_mm: np.ndarray,
        infrared: np.ndarray | None,
        infrared_right: np.ndarray | None,
        camera: Camera,
        gate: Gate,
    ) -> Denoised:
        """Denoises one frame.

        Args:
            depth_mm, infrared, infrared_right: as of `Denoiser.denoise`.
            camera: of this frame.
            gate: what may be published of it.

        Raises:
            FrameError, NetworkError: as of `Denoiser.denoise`.
            DeviceMemoryError: this frame does not fit; the next ones are computed in smaller tiles.
            DeviceLostError: no frame can be computed any more in this process.
        """
        denoiser = self._denoiser_for(camera, gate)
        try:
            return denoiser.denoise(depth_mm, infrared, infrared_right)
        except RuntimeError as error:
            if is_device_lost(error):
                raise DeviceLostError(f"{self._model.device} is lost: {error}") from error
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        # Only here, after the exception is gone, is the memory free that it held.
        release_cached_memory()
        raise DeviceMemoryError(self._use_smaller_tiles(denoiser, reason))

    def _denoiser_for(self, camera: Camera, gate: Gate) -> Denoiser:
        wanted = camera, gate, self.tile_px
        current = self._denoiser
        if current is None or wanted != (current.camera, current.gate, current.tiling.tile_px):
            current = self._denoiser = Denoiser(self._model, *wanted)
        return current

    def _use_smaller_tiles(self, denoiser: Denoiser, reason: str) -> str:
        tiling = denoiser.tiling
        try:
            smaller = replace(tiling, tile_px=tiling.tile_px // 2)
        except TilingError:
            return f"out of GPU memory even with tiles of {tiling.tile_px} px: {reason}"
        # Of several concurrent frames that fail, only the first one makes the tiles smaller.
        self.tile_px = min(self.tile_px, smaller.tile_px)
        return f"out of GPU memory, continuing with tiles of {self.tile_px} px"
