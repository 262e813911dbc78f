"""A denoiser that adapts to changes of the camera and to a device that runs out of memory."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch

from rs_denoise.camera import Camera
from rs_denoise.denoiser import Denoised, Denoiser, NetworkError
from rs_denoise.gate import Gate
from rs_denoise.model import Model
from rs_denoise.pipeline.device_errors import (
    DeviceLostError,
    DeviceMemoryError,
    is_device_lost,
    is_out_of_memory,
    release_cached_memory,
)
from rs_denoise.pipeline.tile_size import MAX_OVERHEAD, TileSize, next_smaller_tiling

_log = logging.getLogger(__name__)


class AdaptiveDenoiser:
    """Denoises frames, each with its own camera and gate, and adapts to the device's limits.

    Tiles become smaller while memory is full (`TileSize`). Once a frame overflows float16,
    convolutions are computed in float32 from then on.

    It is thread-safe.

    Args:
        model: the network, loaded.
        tile_px: largest side of a tile, px.
    """

    def __init__(self, model: Model, tile_px: int) -> None:
        self._model = model
        self._tile_size = TileSize(tile_px)
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
            DeviceMemoryError: this frame does not fit; later ones are computed in smaller tiles.
            DeviceLostError: this process can compute no more frames.
        """
        denoiser, images = self._denoiser_for(camera, gate), (depth_mm, infrared, infrared_right)
        try:
            return self._denoise_with_float32_fallback(denoiser, *images)
        except RuntimeError as error:
            self._raise_if_lost(error)
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        # Only here, outside the except block, is the memory free that the exception held.
        try:
            release_cached_memory()
        except RuntimeError as error:
            self._raise_if_lost(error)
        if self._tile_size.recovers(denoiser.tiling.tile_px):
            return self.denoise(*images, camera, gate)
        raise DeviceMemoryError(self._use_smaller_tiles(denoiser, reason))

    def _denoiser_for(self, camera: Camera, gate: Gate) -> Denoiser:
        wanted = camera, gate, self._tile_size.take()
        current = self._denoiser
        if current is None or wanted != (current.camera, current.gate, current.tiling.tile_px):
            current = self._denoiser = Denoiser(self._model, *wanted)
        return current

    def _denoise_with_float32_fallback(self, denoiser: Denoiser, *images: Any) -> Denoised:
        # Read first: the frame of another worker may replace it meanwhile.
        computed_in = self._model.precision
        try:
            return denoiser.denoise(*images)
        except NetworkError:
            if computed_in != torch.float16:
                raise
        before, self._model.precision = self._model.precision, torch.float32
        try:
            denoised = denoiser.denoise(*images)
        except BaseException:  # float16 was not the cause
            self._model.precision = before
            raise
        if before == torch.float16:
            _log.warning(
                "a frame has numbers too large for float16: model %s continues in float32, which "
                "is slower", self._model.manifest.name,
            )  # fmt: skip
        return denoised

    def _raise_if_lost(self, error: RuntimeError) -> None:
        if is_device_lost(error):
            raise DeviceLostError(f"{self._model.device_name} is lost: {error}") from error

    def _use_smaller_tiles(self, denoiser: Denoiser, reason: str) -> str:
        camera, used_px = denoiser.camera, denoiser.tiling.tile_px
        smaller = next_smaller_tiling(denoiser.tiling, camera.height, camera.width)
        if smaller is None:
            return (
                f"out of GPU memory even with tiles of {used_px} px; smaller ones would take more "
                f"than {MAX_OVERHEAD:.0f} times as long as whole frames: {reason}"
            )
        self._tile_size.reduce(smaller.tile_px)
        return f"out of GPU memory, continuing with tiles of {smaller.tile_px} px"
