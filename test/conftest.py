import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import nn

from rs_denoise.camera import Camera
from rs_denoise.model import DEFAULT_MODEL, FORMAT, INPUTS, OUTPUTS, Manifest, Model, save

PROJECT = Path(__file__).parents[1]
REAL_DATA = PROJECT.parent / "shared" / "data" / "real"
SAMPLE = PROJECT / "demo" / "room"

# Tests talk to nobody else: one domain a test run, this machine only.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
torch.set_num_threads(2)
# Shared machines stall: how long an example takes says nothing.
settings.register_profile("project", deadline=None, max_examples=60)
settings.load_profile("project")


class Scaled(nn.Module):
    """Disparity times a factor, equally sure everywhere: a model whose every pixel is known."""

    def __init__(self, factor: float = 1.0, scale_px: float = 0.05) -> None:
        super().__init__()
        self.factor, self.scale_px = factor, scale_px

    def forward(self, disparity_px, infrared):
        filled = torch.where(disparity_px > 0, disparity_px, disparity_px.amax() + 0 * infrared)
        return filled * self.factor, torch.full_like(disparity_px, self.scale_px)


def manifest(**changes) -> Manifest:
    values = dict(
        format=FORMAT, name="test", network="scaled", inputs=INPUTS, outputs=OUTPUTS, stride_px=16,
        receptive_field_px=0, training_data="none", licence="Apache-2.0", metrics={},
    )  # fmt: skip
    return Manifest(**{**values, **changes})


@pytest.fixture
def make_model(tmp_path):
    """Writes and loads a model with this network; real file, real loader."""

    def make(network: nn.Module, **changes) -> Model:
        path = tmp_path / "model.pt"
        save(network, manifest(**changes), path)
        return Model.load(path, "cpu", "float32")

    return make


@pytest.fixture(scope="session")
def shipped() -> Model:
    return Model.load(DEFAULT_MODEL, "cpu", "float32")


@pytest.fixture(scope="session")
def sample_frame():
    """The first frame of the sample recording, which has ground truth."""
    from rs_denoise.recordings.rosbag2 import read_bag

    return next(read_bag(SAMPLE)).frame


def camera(width: int, height: int, fx: float = 425.0, baseline_m: float = 0.05) -> Camera:
    return Camera(width, height, fx, fx, (width - 1) / 2, (height - 1) / 2, baseline_m)


def noisy_wall(width: int, height: int, depth_mm: float = 2000.0, seed: int = 0):
    """Depth of a wall with some noise and holes, and infrared of it."""
    rng = np.random.default_rng(seed)
    depth = depth_mm + rng.normal(0, 8, (height, width))
    depth[rng.random((height, width)) < 0.02] = 0
    infrared = rng.integers(10, 60, (height, width))
    return depth.astype(np.uint16), infrared.astype(np.uint8)
