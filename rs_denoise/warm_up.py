"""Denoises a few frames in advance, so that the first real one takes no longer than any other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from rs_denoise.denoiser import Denoiser
from rs_denoise.synthetic_frame import synthetic_frame

# TorchScript compiles during the first two frames; on a GPU cuDNN chooses kernels for each new
# size.
WARM_UP_FRAMES = 3


def warm_up(
    denoiser: Denoiser, watch: Callable[[], AbstractContextManager[object]] = nullcontext
) -> None:
    """Denoises a synthetic frame a few times; call it in the thread that will denoise.

    Args:
        denoiser: to warm up.
        watch: makes a context in which each frame is denoised, for example to detect one that
            hangs.

    Raises:
        NetworkError: as of `Denoiser.denoise`.
    """
    frame = synthetic_frame(denoiser.camera)
    for _ in range(WARM_UP_FRAMES):
        with watch():
            denoiser.denoise(*frame)
