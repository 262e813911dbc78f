"""Small cameras, frames and models whose every pixel is known."""

import zipfile
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from rs_denoise.camera import Camera
from rs_denoise.manifest import FORMAT, Manifest
from rs_denoise.matching import PRESENT
from rs_denoise.network_kind import NETWORK_KINDS


class Scaled(nn.Module):
    """Disparity times a factor, equally sure everywhere: a model whose every pixel is known."""

    def __init__(self, factor: float = 1.0, scale_px: float = 0.05) -> None:
        super().__init__()
        self.factor, self.scale_px = factor, scale_px

    def forward(self, disparity_px, infrared):
        filled = torch.where(disparity_px > 0, disparity_px, disparity_px.amax() + 0 * infrared)
        return filled * self.factor, torch.full_like(disparity_px, self.scale_px)


class Matched(nn.Module):
    """A network that sees the right infrared: where it has evidence, disparity is 1 % larger."""

    def forward(self, disparity_px, infrared, surfaces_px, evidence):
        present = evidence[:, PRESENT : PRESENT + 1]
        has_evidence = present.repeat_interleave(2, -2).repeat_interleave(2, -1)
        unused = 0 * (infrared + surfaces_px.amax())
        scale_px = torch.full_like(disparity_px, 0.05)
        return disparity_px * (1.0 + 0.01 * has_evidence) + unused, scale_px


class NanWhenDazzled(nn.Module):
    """A network that takes no time, and breaks on white infrared."""

    def forward(self, disparity_px, infrared):
        broken = torch.where(infrared.amin() == 255, torch.nan, 0.99)
        return disparity_px * broken, torch.full_like(disparity_px, 0.05)


def kind_fields(confidence: str) -> dict:
    """The fields of a manifest that a kind of networks decides."""
    kind = NETWORK_KINDS[confidence]
    return {
        "confidence": confidence, "inputs": kind.input_names, "outputs": list(kind.outputs)
    }  # fmt: skip


def manifest(**changes) -> Manifest:
    plain = Manifest(
        format=FORMAT, name="test", network="scaled", **kind_fields("laplace"),
        verdict="not measured", stride_px=16,
        receptive_field_px=0, training_data="none", licence="Apache-2.0", metrics={},
    )  # fmt: skip
    return replace(plain, **changes)


def rewritten(path, change):
    """A copy of a model file with its manifest's text changed."""
    copy = path.with_name("changed.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("extra/manifest.json"):
                data = change(data.decode()).encode()
            new.writestr(entry.filename, data)
    return copy


def camera(width: int, height: int, fx: float = 425.0, baseline_m: float = 0.05) -> Camera:
    return Camera(width, height, fx, fx, (width - 1) / 2, (height - 1) / 2, baseline_m)


def noisy_wall(width: int, height: int, depth_mm: float = 2000.0, seed: int = 0):
    """Depth of a wall with some noise and holes, and infrared of it."""
    rng = np.random.default_rng(seed)
    depth = depth_mm + rng.normal(0, 8, (height, width))
    depth[rng.random((height, width)) < 0.02] = 0
    infrared = rng.integers(10, 60, (height, width))
    return depth.astype(np.uint16), infrared.astype(np.uint8)
