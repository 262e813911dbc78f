"""Times the first frames of a model, during which TorchScript compiles its network."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from rs_denoise.denoiser import Denoiser
from rs_denoise.model import Model
from rs_denoise.synthetic_frame import synthetic_frame, typical_camera

# Profiles of a camera, in the order in which they are timed.
SIZES = ((848, 480), (640, 480), (1280, 720), (424, 240))
FIRST_FRAMES = 6


@dataclass(frozen=True)
class FirstFrames:
    """The first frames of one size.

    Attributes:
        model, device: what ran.
        width, height: of the frames.
        times_ms: of each frame, in order.
    """

    model: str
    device: str
    width: int
    height: int
    times_ms: tuple[float, ...]


def time_first_frames(model: Model) -> list[FirstFrames]:
    """Times the first frames of each of SIZES, in turn, in a thread that has computed nothing yet.

    Args:
        model: loaded anew, so that nothing is compiled for these sizes yet.
    """
    timed: list[FirstFrames] = []

    def time_all() -> None:
        timed.extend(_time_size(model, width, height) for width, height in SIZES)

    thread = threading.Thread(target=time_all)
    thread.start()
    thread.join()
    return timed


def _time_size(model: Model, width: int, height: int) -> FirstFrames:
    camera = typical_camera(width, height)
    denoiser, frame = Denoiser(model, camera), synthetic_frame(camera)
    times_ms = []
    for _ in range(FIRST_FRAMES):
        start = time.perf_counter()
        denoiser.denoise(*frame)
        times_ms.append(round(1e3 * (time.perf_counter() - start), 1))
    return FirstFrames(model.manifest.name, model.device_name, width, height, tuple(times_ms))
