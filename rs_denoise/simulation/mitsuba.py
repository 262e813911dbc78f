"""Mitsuba 3, the ray tracer, set to a variant that runs on this machine."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from types import ModuleType

# Dr.Jit aborts with LLVM 15 ("Cannot select: fmaximum"), which is the default on Debian 12.
LLVM = Path("/usr/lib/x86_64-linux-gnu/libLLVM.so.19.1")
# From fast to slow; the first that runs on this machine is used.
VARIANTS = {"cuda_ad_mono": "on the GPU", "llvm_ad_mono": "on the CPU, compiled by LLVM"}


class RendererMissing(RuntimeError):
    """Mitsuba or what it needs is not installed."""


@cache
def load_mitsuba() -> ModuleType:
    """Mitsuba, set to CUDA or else to LLVM.

    Raises:
        RendererMissing: nothing runs here; the message says what to install.
    """
    try:
        import mitsuba as mi
    except ImportError as error:
        raise RendererMissing(
            f"simulation needs Mitsuba: run 'pip install mitsuba trimesh numba' ({error})"
        ) from error
    if LLVM.exists():
        os.environ.setdefault("DRJIT_LIBLLVM_PATH", str(LLVM))
    if not any(_runs(mi, name) for name in VARIANTS):
        raise RendererMissing(
            "Mitsuba needs a GPU with CUDA or LLVM 16 or newer: run 'apt-get install libllvm19'"
            " or set DRJIT_LIBLLVM_PATH to a libLLVM.so"
        )
    mi.set_log_level(mi.LogLevel.Error)
    return mi


def describe_variant() -> str:
    """Name of the chosen variant and where it runs, in words."""
    name = str(load_mitsuba().variant())
    return f"{name}, {VARIANTS[name]}"


def _runs(mi: ModuleType, name: str) -> bool:
    try:
        import drjit as dr

        mi.set_variant(name)
        backend = dr.JitBackend.CUDA if name.startswith("cuda") else dr.JitBackend.LLVM
        return bool(dr.has_backend(backend))
    except Exception:  # a missing or outdated driver or library can raise anything
        return False
