"""The shipped models leave no periodic pattern (grid artifacts) in the disparity of a wall."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba is not installed")

import cv2

from rs_denoise.denoiser import Denoiser
from rs_denoise.depth import to_depth_mm
from rs_denoise.model import Model
from rs_denoise.shipped_models import SHIPPED
from rs_denoise.simulation.matcher import Matcher, match
from scenes import camera

WIDTH, HEIGHT = 640, 384
# Periods at which a network of strides and blocks could leave steps, px.
PERIODS = (2, 4, 8, 16)
# A sixth of the step in which the camera itself gives disparity, 1/32 px.
MAX_AMPLITUDE_PX = 0.005


@pytest.fixture(scope="module")
def wall():
    """A slanted, textured wall: what a camera measures of it, both images, and the truth in px."""
    noise = np.random.default_rng(0).normal(size=(HEIGHT, WIDTH + 128)).astype(np.float32)
    left = 60 + 120 * cv2.GaussianBlur(noise, (0, 0), 1.2)
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    truth = 24 + 0.02 * x + 0.015 * y
    left = left[:, :WIDTH]
    # The left disparity at what the right imager sees at x; two steps suffice for so flat a slope.
    seen = truth
    for _ in range(3):
        seen = 24 + 0.02 * (x + seen) + 0.015 * y
    right = cv2.remap(left, x + seen, y, cv2.INTER_CUBIC)
    grain = np.random.default_rng(1).normal(0, 1.5, (2, HEIGHT, WIDTH)).astype(np.float32)
    left, right = (np.clip(image, 0, 255) for image in (left + grain[0], right + grain[1]))
    return match(left, right, Matcher()), left.astype(np.uint8), right.astype(np.uint8), truth


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.pt")), ids=lambda path: path.stem)
@pytest.mark.parametrize("axis", [0, 1], ids=["rows", "columns"])
def test_the_error_on_a_wall_has_no_period(wall, path, axis):
    """The error's spectrum hardly rises at the periods of the network's strides and blocks."""
    measured_px, left, right, truth = wall
    camera_ = camera(WIDTH, HEIGHT)
    scale = camera_.disparity_scale_px_mm
    denoiser = Denoiser(Model.load(path, "cpu", "float32"), camera_)
    estimate = denoiser.estimate(to_depth_mm(measured_px, scale), left, right)
    error = (estimate.disparity_px[0, 0].numpy() - truth)[64:320, 128:-32]
    # Along the other axis, so that what repeats adds up and noise does not.
    profile = error.mean(axis=1 - axis)
    profile = (profile - cv2.GaussianBlur(profile[:, None], (1, 0), 8.0).ravel())[:240]
    window = np.hanning(len(profile))
    amplitude_px = 2 * np.abs(np.fft.rfft(profile * window)) / window.sum()
    lines = {period: amplitude_px[len(profile) // period] for period in PERIODS}
    assert max(lines.values()) < MAX_AMPLITUDE_PX, lines
