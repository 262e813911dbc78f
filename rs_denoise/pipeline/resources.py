"""Resources that all cameras of one process share: models in memory and worker threads."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

from rs_denoise.cpu_cores import default_num_threads
from rs_denoise.denoiser import DEFAULT_TILE_PX, Denoiser
from rs_denoise.device import find_device, name_device
from rs_denoise.model import Model
from rs_denoise.pipeline.device_errors import (
    DeviceLostError,
    DeviceMemoryError,
    is_device_lost,
    is_out_of_memory,
    release_cached_memory,
)
from rs_denoise.pipeline.frames_in_progress import FramesInProgress
from rs_denoise.pipeline.model_choice import (
    AUTO,
    ModelChoice,
    StreamProfile,
    choose_model,
    measure_rate_hz,
)
from rs_denoise.pipeline.workers import Workers
from rs_denoise.precision import Agreement, choose_precision
from rs_denoise.shipped_models import BEST_FIRST, model_file
from rs_denoise.synthetic_frame import TYPICAL_CAMERA, typical_camera
from rs_denoise.warm_up import warm_up


@dataclass(frozen=True)
class NetworkSettings:
    """Which network runs, and on what.

    Attributes:
        model_path: a model file, the name of a shipped one, or "auto": the best shipped one that
            keeps up with the camera.
        device: as `Model` takes it.
        tile_px: largest side of a tile, px.
        num_threads: CPU cores for all frames together; 0: see `default_num_threads`.
        concurrent_frames: frames in progress at a time; 0: see `default_concurrent_frames`.
        stream: size and rate of the camera, for "auto".
    """

    model_path: str
    device: str = "auto"
    tile_px: int = DEFAULT_TILE_PX
    num_threads: int = 0
    concurrent_frames: int = 0
    stream: StreamProfile = field(default_factory=StreamProfile)


@dataclass(frozen=True)
class PreparedNetwork:
    """A network that is loaded and warmed up.

    Attributes:
        model: the network.
        workers: the threads in which it runs.
        tile_px: largest side of a tile, px.
        note: describes it for the log.
        choice: why this model was chosen; None if the user set it.
    """

    model: Model
    workers: Workers
    tile_px: int
    note: str
    choice: ModelChoice | None = None

    @property
    def uses_right_infrared(self) -> bool:
        """Whether the network can use the right infrared image."""
        return self.model.kind.uses_right_infrared


class SharedResources:
    """The models of this process, each loaded once, and the workers of each device.

    Args:
        cameras: number of cameras that share them.
    """

    def __init__(self, cameras: int = 1) -> None:
        self._cameras = cameras
        self._preparing = threading.Lock()
        self._in_progress = FramesInProgress()
        self._rates_hz: dict[tuple, float] = {}
        self._workers: dict[torch.device, Workers] = {}
        # Weak references, so that models that no camera uses any more are freed.
        self._models: weakref.WeakValueDictionary[tuple, Model] = weakref.WeakValueDictionary()

    @property
    def longest_in_progress_s(self) -> float:
        """How long the oldest frame of a warm-up or timing has taken so far; 0 if there is none.

        Loading a model does not count: OpenVINO may compile it for longer than a frame may take.
        """
        return self._in_progress.longest_s

    def prepare(self, settings: NetworkSettings) -> PreparedNetwork:
        """Loads a network and warms it up.

        Raises:
            ModelError: as of `Model`.
            NetworkError, TilingError: as of `Denoiser`.
            DeviceMemoryError: the network does not fit the device.
            DeviceLostError: the device fails; only a new process can use it again.
        """
        try:
            with self._preparing:
                return self._prepare(settings)
        except Exception as error:
            # `Model` reports errors of the device as errors of the file, with the original
            # text.
            if is_device_lost(error):
                raise DeviceLostError(f"device {settings.device} is lost: {error}") from error
            if is_out_of_memory(error):
                raise DeviceMemoryError(f"{error}; a smaller tile_px needs less memory") from error
            raise

    def _prepare(self, settings: NetworkSettings) -> PreparedNetwork:
        settings = replace(settings, device=name_device(settings.device))
        device = find_device(settings.device)
        threads = settings.num_threads or default_num_threads()
        count = settings.concurrent_frames or default_concurrent_frames(device, threads)
        threads = max(1, threads // count)
        workers = self._workers_for(device, count, threads)
        choice = None
        if settings.model_path == AUTO:
            choice = self._choose(settings, workers)
            settings = replace(settings, model_path=choice.name)
        model, note = workers.run(lambda: self._load(settings.model_path, settings.device))
        # At a typical size, because the camera's is not known yet.
        denoiser = Denoiser(model, TYPICAL_CAMERA, tile_px=settings.tile_px)
        workers.run_in_each(lambda: warm_up(denoiser, self._in_progress.frame))
        note = (
            f"model {model.manifest.name} on {model.device_name} in {model.precision_name}, "
            f"concurrent frames: {workers.count}, threads for each: {threads}{note and '; '}{note}"
            f"{'; chosen: ' if choice else ''}{choice or ''}"
        )
        return PreparedNetwork(model, workers, settings.tile_px, note, choice)

    def _choose(self, settings: NetworkSettings, workers: Workers) -> ModelChoice:
        """The best shipped model that keeps up; each is measured once for each size."""
        width, height = settings.stream.width, settings.stream.height

        def measure(name: str) -> float:
            key = name, settings.device, settings.tile_px, width, height
            if key not in self._rates_hz:
                model, _ = workers.run(lambda: self._load(name, settings.device))
                denoiser = Denoiser(model, typical_camera(width, height), tile_px=settings.tile_px)
                rate_hz = measure_rate_hz(denoiser, workers, self._in_progress.frame)
                self._rates_hz[key] = rate_hz
            return self._rates_hz[key]

        return choose_model(BEST_FIRST, settings.stream, self._cameras, measure)

    def _load(self, path: Path | str, device: str) -> tuple[Model, str]:
        """The model, loaded now or earlier, and a note on how."""
        file = model_file(path)
        key = _identify(file), device
        if (model := self._models.get(key)) is not None:
            return model, "already loaded by this process"
        model, agreement = choose_precision(Model(file, device))
        self._models[key] = model
        if model.device.type == "cuda":
            weakref.finalize(model, release_cached_memory).atexit = False
        return model, _describe(agreement)

    def _workers_for(self, device: torch.device, count: int, threads: int) -> Workers:
        """The workers of a device; the first caller sets their number and their threads."""
        if device not in self._workers:
            on_cpu = device.type == "cpu"
            prepare = partial(torch.set_num_threads, threads) if on_cpu else lambda: None
            self._workers[device] = Workers(count, prepare)
        return self._workers[device]


def default_concurrent_frames(device: torch.device, threads: int) -> int:
    """Number of frames to compute concurrently if the user does not set it.

    Two threads on one frame wait for each other after every layer, so they lose a third of 30
    frames per second when driver and consumers need a core too. With one frame each, they do not
    wait. More than two threads are better used on one frame, which is then finished sooner.
    """
    return 2 if threads == 2 and device.type == "cpu" else 1


def _describe(agreement: Agreement | None) -> str:
    if agreement is None:
        return ""
    if agreement.holds:
        return f"compared with PyTorch in float32, {agreement}"
    return f"PyTorch in float32 is used, because otherwise {agreement}"


def _identify(file: Path) -> tuple:
    """A value that changes when the file is replaced."""
    if not file.is_file():
        return (file,)
    stat = file.stat()
    return file.resolve(), stat.st_ino, stat.st_mtime_ns, stat.st_size
