"""Selects the model again once the camera is known; until then the first one is used."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import replace

from rs_denoise.pipeline.model_choice import AUTO, StreamProfile
from rs_denoise.pipeline.resources import NetworkSettings, PreparedNetwork, SharedResources


class ModelSelector:
    """Prepares the best model that keeps up with a camera, in a background thread.

    Args:
        resources: that prepare it.
    """

    def __init__(self, resources: SharedResources) -> None:
        self._resources = resources
        self._size: tuple[int, int] | None = None
        self._network: Future[PreparedNetwork] | None = None

    @property
    def in_progress(self) -> bool:
        """Whether models are being measured."""
        return self._network is not None

    def update(
        self, settings: NetworkSettings, size: tuple[int, int] | None, rate_hz: float | None
    ) -> PreparedNetwork | None:
        """Starts a selection when size and rate are known, once per size; call it periodically.

        Args:
            settings: of the network.
            size: width and height of the camera's images, px; None: not known yet.
            rate_hz: of the camera; None: not known yet.

        Returns:
            The network, once, when it is ready.

        Raises:
            ModelError, NetworkError, TilingError, DeviceMemoryError, DeviceLostError: as of
                `SharedResources.prepare`.
        """
        if self._network is not None:
            if not self._network.done():
                return None
            network, self._network = self._network, None
            return network.result()
        if settings.model_path == AUTO and size is not None and rate_hz and size != self._size:
            self._size, self._network = size, Future()
            settings = replace(settings, stream=StreamProfile(*size, rate_hz))
            arguments = settings, self._network
            threading.Thread(target=self._prepare, args=arguments, daemon=True).start()
        return None

    def _prepare(self, settings: NetworkSettings, network: Future[PreparedNetwork]) -> None:
        try:
            network.set_result(self._resources.prepare(settings))
        except BaseException as error:
            network.set_exception(error)
