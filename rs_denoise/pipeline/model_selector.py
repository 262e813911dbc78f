"""Selects the model again once the camera is known; until then the first one is used."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import replace

from rs_denoise.pipeline.model_choice import AUTO, StreamProfile
from rs_denoise.pipeline.resources import NetworkSettings, PreparedNetwork, SharedResources

# A model is selected again for a camera that became faster by this factor. Not for one that became
# slower: frames that are lost while the computer is busy look the same.
MIN_SPEED_UP = 1.25


class ModelSelector:
    """Prepares the best model that keeps up with a camera, in a background thread.

    Args:
        resources: load and time the models.
    """

    def __init__(self, resources: SharedResources) -> None:
        self._resources = resources
        self._stream: StreamProfile | None = None  # for which a model was selected
        self._network: Future[PreparedNetwork] | None = None

    @property
    def in_progress(self) -> bool:
        """Whether models are being measured."""
        return self._network is not None

    def update(
        self, settings: NetworkSettings, size: tuple[int, int] | None, rate_hz: float | None
    ) -> PreparedNetwork | None:
        """Starts a selection when size and rate are known; call it periodically.

        It starts another one for another size, or for a camera that became clearly faster.

        Args:
            settings: those of the network.
            size: width and height of the camera's images, px; None: not known yet.
            rate_hz: the camera's rate; None: not known yet.

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
        if settings.model_path == AUTO and size is not None and rate_hz:
            self._select_for(StreamProfile(*size, rate_hz), settings)
        return None

    def _select_for(self, stream: StreamProfile, settings: NetworkSettings) -> None:
        before = self._stream or StreamProfile(0, 0)
        same_size = (stream.width, stream.height) == (before.width, before.height)
        if same_size and stream.rate_hz < MIN_SPEED_UP * before.rate_hz:
            return
        self._stream, self._network = stream, Future()
        arguments = replace(settings, stream=stream), self._network
        threading.Thread(target=self._prepare, args=arguments, daemon=True).start()

    def _prepare(self, settings: NetworkSettings, network: Future[PreparedNetwork]) -> None:
        try:
            network.set_result(self._resources.prepare(settings))
        except BaseException as error:
            network.set_exception(error)
