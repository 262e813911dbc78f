"""What the nodes of one process share: networks in memory, and who computes. No ROS here."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

import torch

from rs_denoise.denoiser import Denoiser
from rs_denoise.model import Model, model_file, torch_device
from rs_denoise.pipeline.handover import Workers
from rs_denoise.precision import choose_precision
from rs_denoise.synthetic_frame import TYPICAL_CAMERA, synthetic_frame

# After so many the first frame takes as long as any: TorchScript compiles at the first two.
WARM_UP_FRAMES = 3


class Networks:
    """The models that run in this process, each once, however many cameras it serves."""

    def __init__(self) -> None:
        self._workers: dict[torch.device, Workers] = {}
        # Weak: what no node uses any more is gone.
        self._models: WeakValueDictionary[tuple, Model] = WeakValueDictionary()

    def load(self, path: Path | str, device: str) -> tuple[Model, str]:
        """A model in the precision that its device prefers and it bears.

        Args:
            path, device: as of `Model.load`.

        Returns:
            The model, and what is to be said of how it was come by, in words, or "".

        Raises:
            ModelError: as of `Model.load`.
        """
        file = model_file(path)
        key = _identity(file), torch_device(device)
        if (model := self._models.get(key)) is not None:
            return model, "shared with another camera of this process"
        model, agreement = choose_precision(Model.load(file, device))
        self._models[key] = model
        return model, f"reduced precision against float32: {agreement}" if agreement else ""

    def workers(self, device: torch.device, count: int, threads: int) -> Workers:
        """Those who compute on a device for all nodes of this process.

        Args:
            count: how many frames at once, the first time that the device is asked for.
            threads: of PyTorch's for each on a CPU.
        """
        if device not in self._workers:
            on_cpu = device.type == "cpu"
            prepare = partial(torch.set_num_threads, threads) if on_cpu else lambda: None
            self._workers[device] = Workers(count, prepare)
        return self._workers[device]


def warm_up(model: Model, tile_px: int) -> None:
    """Denoises until a frame takes as long as any; to be called by who will denoise.

    At 848x480, because the camera's size is not known yet: the first frame of another size took up
    to a tenth longer than its hundredth on a CPU.

    Raises:
        NetworkError, TilingError: as of `Denoiser`.
    """
    denoiser, frame = (
        Denoiser(model, TYPICAL_CAMERA, tile_px=tile_px),
        synthetic_frame(TYPICAL_CAMERA),
    )
    for _ in range(WARM_UP_FRAMES):
        denoiser.denoise(*frame)


def _identity(file: Path) -> tuple:
    """What changes when another file takes this one's place."""
    if not file.is_file():
        return (file,)
    stat = file.stat()
    return file.resolve(), stat.st_ino, stat.st_mtime_ns, stat.st_size
