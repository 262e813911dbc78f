import math
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from rs_denoise.denoiser import Denoiser, FrameError, NetworkError
from rs_denoise.gate import Gate, GateError
from rs_denoise.manifest import ModelError
from rs_denoise.model import Model
from rs_denoise.networks.unet import UNet
from rs_denoise.shipped_models import model_file, shipped_names
from scenes import Scaled, camera, kind_fields, noisy_wall

OPEN = Gate(min_confidence=0.0, fill_confidence=0.0, max_recession=math.inf)


def tiled_and_whole(shipped: Model, camera_, depth, infrared, tile_px):
    tiled = Denoiser(shipped, camera_, tile_px=tile_px)
    frame = [tiled.tiling.padded(n) for n in depth.shape]
    count = len(list(tiled.tiling.tiles(*frame)))
    whole = Denoiser(shipped, camera_, tile_px=4096)
    return count, tiled.denoise(depth, infrared), whole.denoise(depth, infrared)


@pytest.mark.parametrize("portrait", [False, True])
def test_tiles_give_what_the_whole_frame_gives(shipped, sample_frame, portrait):
    depth, infrared = sample_frame.depth_mm, sample_frame.infrared
    if portrait:
        depth, infrared = depth.T.copy(), infrared.T.copy()
    camera_ = camera(depth.shape[1], depth.shape[0])
    count, tiled, whole = tiled_and_whole(shipped, camera_, depth, infrared, tile_px=432)
    assert count >= 6
    assert np.mean(np.abs(tiled.depth_mm - whole.depth_mm) <= 1.0) >= 0.999
    np.testing.assert_allclose(tiled.confidence, whole.confidence, atol=0.02)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(64, 420), st.integers(64, 420), st.integers(0, 99))
def test_any_size_from_64_up_is_covered_to_its_last_row_and_column(shipped, width, height, seed):
    depth, infrared = noisy_wall(width, height, seed=seed)
    _, tiled, whole = tiled_and_whole(shipped, camera(width, height), depth, infrared, 352)
    assert tiled.depth_mm.shape == (height, width)
    assert np.mean(np.abs(tiled.depth_mm - whole.depth_mm) <= 1.0) >= 0.999
    opened = Denoiser(shipped, camera(width, height), OPEN).denoise(depth, infrared).depth_mm
    assert (opened[-1, depth[-1] > 0] > 0).all() and (opened[depth[:, -1] > 0, -1] > 0).all()


def test_an_identity_network_changes_nothing(make_model):
    depth, infrared = noisy_wall(96, 64)
    result = Denoiser(make_model(Scaled()), camera(96, 64), Gate(fill_confidence=1.01))
    np.testing.assert_array_equal(np.rint(result.denoise(depth, infrared).depth_mm), depth)


def test_a_wrong_baseline_cancels_out_of_depth(make_model, shipped):
    depth, infrared = noisy_wall(160, 128)
    half, double = (camera(160, 128, baseline_m=b) for b in (0.025, 0.1))
    model = make_model(Scaled(1.0, scale_px=0.5))
    results = [Denoiser(model, c, OPEN).denoise(depth, infrared) for c in (half, double)]
    np.testing.assert_array_equal(*[np.rint(r.depth_mm)[depth > 0] for r in results])
    # What it does change: noise of so many pixels is a larger share of a smaller disparity.
    assert results[0].confidence.mean() < results[1].confidence.mean()
    real = [Denoiser(shipped, c, OPEN).denoise(depth, infrared).depth_mm for c in (half, double)]
    assert abs(np.median(real[0][depth > 0]) / np.median(real[1][depth > 0]) - 1) < 0.01


def test_free_space_is_not_invented(make_model):
    """A network that pushes everything 10 % away publishes nothing; one that pulls nearer may."""
    depth, infrared = noisy_wall(96, 64)
    away = Denoiser(make_model(Scaled(1 / 1.1)), camera(96, 64)).denoise(depth, infrared)
    assert not away.depth_mm[depth > 0].any() and not away.confidence[depth > 0].any()
    nearer = Denoiser(make_model(Scaled(1.1)), camera(96, 64)).denoise(depth, infrared)
    assert (nearer.depth_mm[depth > 0] > 0).all()


@pytest.mark.parametrize("kind", ["laplace", "none"])
@pytest.mark.parametrize("limit", [0.03, 0.2, 0.5])
def test_the_limit_of_recession_is_a_fraction_of_depth(make_model, kind, limit):
    """Not of disparity, of which half is twice the depth."""
    depth, infrared = noisy_wall(96, 64)
    for farther, published in ((1 + 0.99 * limit, True), (1 + 1.01 * limit, False)):
        network = Scaled(1 / farther) if kind == "laplace" else Deeper(farther)
        model = make_model(network, **kind_fields(kind))
        gate = Gate(fill_confidence=1.01, max_recession=limit)
        result = Denoiser(model, camera(96, 64), gate).denoise(depth, infrared)
        assert ((result.depth_mm > 0) == (published & (depth > 0))).all()


def test_a_pixel_that_no_camera_can_measure_spoils_nothing(shipped, sample_frame):
    """Nearer than half the baseline: its disparity would outweigh all pixels around it."""
    frame = sample_frame
    denoiser = Denoiser(shipped, frame.camera)
    depth = frame.depth_mm.astype(np.float32)
    depth[240, 424] = 0
    expected = denoiser.denoise(depth, frame.infrared, frame.infrared_right)
    for impossible_mm in (1e-30, 1e-3, 1.0, 20.0):
        depth[240, 424] = impossible_mm
        result = denoiser.denoise(depth, frame.infrared, frame.infrared_right)
        assert result.depth_mm[240, 424] == 0, "it is no hole that may be filled"
        assert np.count_nonzero(result.depth_mm != expected.depth_mm) <= 1


@pytest.mark.parametrize("too_close_mm", [-np.inf, -1.0])
def test_what_is_too_close_to_be_measured_is_not_filled(shipped, sample_frame, too_close_mm):
    """-infinity in REP 117. As a hole, it would be filled with the wall behind the object."""
    frame = sample_frame
    patch = np.s_[200:212, 400:412]
    depth = frame.depth_mm.astype(np.float32)

    def denoised(value_mm, gate=None):
        depth[patch] = value_mm
        denoiser = Denoiser(shipped, frame.camera, gate)
        return denoiser.denoise(depth, frame.infrared, frame.infrared_right)

    hole, close = denoised(np.nan), denoised(too_close_mm)
    assert hole.depth_mm[patch].any(), "such a hole is filled"
    assert not close.depth_mm[patch].any() and not close.confidence[patch].any()
    filled = np.count_nonzero(hole.depth_mm[patch]) / depth.size
    assert close.valid_before_range == pytest.approx(hole.valid_before_range - filled)
    hole.depth_mm[patch] = 0
    np.testing.assert_array_equal(close.depth_mm, hole.depth_mm)
    assert not denoised(too_close_mm, OPEN).depth_mm[patch].any()


class Background(nn.Module):
    """Fills every hole with a disparity of 5 px, and is sure of it."""

    def forward(self, disparity_px, infrared):
        filled = torch.where(disparity_px > 0, disparity_px, torch.full_like(infrared, 5.0))
        return filled, torch.full_like(filled, 0.01)


def test_a_hole_is_filled_unless_only_the_left_imager_sees_it(make_model):
    depth = np.full((64, 256), 4250, np.uint16)  # disparity 5 px
    depth[:, :50] = 0
    depth[20:24, 200:204] = 0
    result = Denoiser(make_model(Background()), camera(256, 64)).denoise(depth, depth * 0)
    assert not result.depth_mm[:, :5].any()
    np.testing.assert_allclose(result.depth_mm[:, 5:], 4250, atol=1)


@pytest.mark.parametrize("name", shipped_names())
def test_no_depth_is_made_from_infrared_alone(sample_frame, name):
    f = sample_frame
    denoiser = Denoiser(Model.load(model_file(name)), f.camera)
    result = denoiser.denoise(np.zeros_like(f.depth_mm), f.infrared, f.infrared_right)
    assert not result.depth_mm.any()


def test_doubt_is_not_published(make_model):
    depth, infrared = noisy_wall(96, 64)  # disparity about 10.6 px
    model = make_model(Scaled(1.0, scale_px=1.0))
    result = Denoiser(model, camera(96, 64), Gate(0.5)).denoise(depth, infrared)
    assert not result.depth_mm.any()
    opened = Denoiser(model, camera(96, 64), OPEN).denoise(depth, infrared)
    # P(|error| < 5 %) of a Laplace distribution of scale 1 px at 10.6 px.
    assert np.median(opened.confidence) == pytest.approx(1 - np.exp(-0.05 * 10.625), abs=0.005)


def test_without_infrared_it_goes_on_with_less_confidence(shipped, sample_frame):
    denoiser = Denoiser(shipped, sample_frame.camera)
    with_infrared = denoiser.denoise(sample_frame.depth_mm, sample_frame.infrared)
    without = denoiser.denoise(sample_frame.depth_mm, None)
    assert (without.depth_mm > 0).mean() > 0.3
    assert (
        without.confidence.max() <= 0.8
        and without.confidence.mean() < with_infrared.confidence.mean()
    )


def test_nan_and_infinity_in_depth_are_holes(make_model):
    depth, infrared = noisy_wall(96, 64)
    metric = depth.astype(np.float32)
    metric[5, 5:8] = np.nan, np.inf, -np.inf
    result = Denoiser(make_model(Scaled()), camera(96, 64), Gate(fill_confidence=1.01))
    out = result.denoise(metric, infrared)
    assert not out.depth_mm[5, 5:8].any() and np.isfinite(out.confidence).all()


def test_masked_pixels_are_holes(make_model):
    depth, infrared = noisy_wall(96, 64)
    masked = np.ma.MaskedArray(depth, mask=np.zeros(depth.shape, bool))
    masked[20:30, 40:50] = np.ma.masked
    denoiser = Denoiser(make_model(Scaled()), camera(96, 64), Gate(fill_confidence=1.01))
    np.testing.assert_array_equal(
        denoiser.denoise(masked, infrared).depth_mm,
        denoiser.denoise(masked.filled(0), infrared).depth_mm,
    )


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"min_confidence": 70}, "min_confidence must be from 0 to 1, or 1.01 for never, got 70"),
        ({"fill_confidence": math.nan}, "fill_confidence must be from 0 to 1"),
        ({"max_recession": -0.1}, "max_recession must be 0 or more, got -0.1"),
        ({"min_range_mm": 500, "max_range_mm": 100}, "must be less than max_range_mm"),
    ],
)
def test_limits_that_no_pixel_could_pass(limits, message):
    with pytest.raises(GateError, match=message):
        Gate(**limits)


class SometimesNan(nn.Module):
    def forward(self, disparity_px, infrared):
        broken = torch.where(infrared > 200, float("nan") * disparity_px, disparity_px)
        return broken, torch.full_like(broken, 0.05)


def test_a_network_that_gives_nan_is_refused(make_model):
    depth, infrared = noisy_wall(96, 64)
    denoiser = Denoiser(make_model(SometimesNan()), camera(96, 64))
    assert denoiser.denoise(depth, infrared).depth_mm.any()
    infrared[10, 20] = 255
    with pytest.raises(NetworkError, match="model test returned NaN or infinity"):
        denoiser.denoise(depth, infrared)


def test_depth_out_of_range_is_invalid(make_model):
    depth = np.repeat(np.array([[500, 1000, 4000, 4001]], np.uint16), 64, axis=0)
    depth = np.repeat(depth, 24, axis=1)
    gate = Gate(0.0, 1.01, 1.0, min_range_mm=501, max_range_mm=4000.5)
    out = Denoiser(make_model(Scaled()), camera(96, 64), gate).denoise(depth, None)
    np.testing.assert_allclose(out.depth_mm[0, ::24], [0, 1000, 4000, 0], rtol=1e-5)
    assert ((out.confidence > 0) == (out.depth_mm > 0)).all()


@pytest.mark.parametrize(
    ("depth", "infrared", "message"),
    [
        (np.zeros((64, 65), np.uint16), None, "depth must be 96x64 as .*, got 65x64"),
        (np.zeros((64, 96, 3), np.uint8), None, r"depth must have one channel.* \(64, 96, 3\)"),
        (np.zeros((64, 96), bool), None, "depth must be of integers or floats, got bool"),
        ([[1000.0] * 96] * 64, None, "depth must be a NumPy array, got a list"),
        (torch.zeros(64, 96), None, "depth must be a NumPy array, got a Tensor"),
        (np.full((64, 96), 1.5, np.float32), None, "is it in metres"),
        (np.zeros((64, 96), np.uint16), np.full((64, 96), 256, np.uint16), "uint16 from 256"),
        (np.zeros((64, 96), np.uint16), np.full((64, 96), np.nan), "float64 from nan to nan"),
        (np.zeros((64, 96), np.uint16), np.full((64, 96), -5, np.int8), "int8 from -5 to -5"),
        (np.zeros((64, 96), np.uint16), np.full((64, 96), 0.5), "0 to 255, got float64 from 0.5"),
        (np.zeros((64, 96), np.uint16), np.zeros((32, 48), np.uint8), "infrared must be 96x64"),
    ],
)  # fmt: skip
def test_frames_that_do_not_fit(make_model, depth, infrared, message):
    with pytest.raises(FrameError, match=message):
        Denoiser(make_model(Scaled()), camera(96, 64)).denoise(depth, infrared)


@pytest.fixture
def stereo(make_model):
    """A small network that uses the right image, untrained but for some random last layers."""
    torch.manual_seed(0)
    network = UNet((8, 16), skip=2).eval()
    with torch.no_grad():
        network.evidence[1].weight.normal_(0, 0.2)
        for layer in (network.head, network.choose, network.select):
            layer.weight.normal_(0, 0.1)
    return make_model(
        network, receptive_field_px=network.receptive_field_px, **kind_fields("laplace-stereo")
    )


def stereo_pair(width, height, disparity_px=11):
    """Both infrared images of a textured wall."""
    wall = np.random.default_rng(0).integers(10, 90, (height, width + disparity_px), np.uint8)
    return wall[:, :width], wall[:, disparity_px:]


@pytest.mark.parametrize(("width", "height"), [(640, 400), (501, 333)])
def test_tiles_give_what_the_whole_frame_gives_with_both_images(stereo, width, height):
    depth, _ = noisy_wall(width, height)
    pair, camera_ = stereo_pair(width, height), camera(width, height)
    tiled, whole = (Denoiser(stereo, camera_, tile_px=side) for side in (256, 4096))
    assert len(list(tiled.tiling.tiles(*map(tiled.tiling.padded, (height, width))))) >= 4
    one, other = (denoiser.estimate(depth, *pair) for denoiser in (tiled, whole))
    assert (one.disparity_px - other.disparity_px).abs().max() < 1e-3
    without = whole.estimate(depth, pair[0])
    assert (without.disparity_px - other.disparity_px).abs().max() > 0.01


def test_the_right_image_alone_counts_for_nothing(stereo):
    depth, _ = noisy_wall(96, 64)
    denoiser, (_, right) = Denoiser(stereo, camera(96, 64)), stereo_pair(96, 64)
    one, other = denoiser.estimate(depth), denoiser.estimate(depth, None, right)
    assert torch.equal(one.disparity_px, other.disparity_px)


def test_a_right_image_that_does_not_belong_to_depth_is_not_used_and_the_reason_given(stereo):
    """Swapped images would take most thin objects from the output, without a word."""
    depth, _ = noisy_wall(320, 240)
    left, right = stereo_pair(320, 240)
    denoiser = Denoiser(stereo, camera(320, 240))
    alone, good = denoiser.denoise(depth, left), denoiser.denoise(depth, left, right)
    assert alone.right_rejection is None and good.right_rejection is None
    assert (alone.confidence != good.confidence).any()
    wrong = denoiser.denoise(depth, left, left)
    np.testing.assert_array_equal(wrong.depth_mm, alone.depth_mm)
    assert "are infra1 and infra2 swapped" in wrong.right_rejection
    assert "expected 50 % or more" in wrong.right_rejection


def test_a_model_of_one_image_takes_no_notice_of_the_right_one(make_model):
    depth, infrared = noisy_wall(96, 64)
    denoiser = Denoiser(make_model(Scaled()), camera(96, 64))
    one, other = (denoiser.denoise(depth, infrared, right) for right in (None, infrared[:5]))
    np.testing.assert_array_equal(one.depth_mm, other.depth_mm)


def test_a_right_image_of_another_size(stereo):
    depth, infrared = noisy_wall(96, 64)
    with pytest.raises(FrameError, match="right infrared must be 96x64"):
        Denoiser(stereo, camera(96, 64)).denoise(depth, infrared, infrared[::2, ::2])


class Deeper(torch.nn.Module):
    """Depth times a factor, without doubt, as the classic networks give it."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, depth_mm, infrared):
        return depth_mm * self.factor + 0 * infrared + 500 * (depth_mm <= 0)


@pytest.mark.parametrize(("factor", "published"), [(1.02, True), (0.98, True), (1.05, False)])
def test_a_model_without_doubt_is_gated_on_change_alone(make_model, factor, published):
    model = make_model(Deeper(factor), **kind_fields("none"))
    depth = np.full((64, 96), 2000, np.uint16)
    depth[:8] = 0
    result = Denoiser(model, camera(96, 64)).denoise(depth, None)
    assert (result.depth_mm[:8] == 0).all()  # no hole is filled
    seen = result.depth_mm[8:]
    np.testing.assert_allclose(seen, 2000 * factor if published else 0, rtol=1e-4)
    assert np.isnan(result.confidence[8:]).all() == published
    assert (result.confidence[:8] == 0).all()


def test_another_process_gives_the_same(shipped, sample_frame):
    denoiser = Denoiser(shipped, sample_frame.camera, Gate(min_confidence=0.6))
    frame = sample_frame.depth_mm, sample_frame.infrared
    here = denoiser.denoise(*frame)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(denoiser.denoise, *frame).result(timeout=60)
    np.testing.assert_array_equal(there.depth_mm, here.depth_mm)
    np.testing.assert_array_equal(there.confidence, here.confidence)


def test_a_copy_in_another_process_keeps_device_and_precision(good, monkeypatch):
    monkeypatch.chdir(good.parent)
    pickled = pickle.dumps(Model.load(good.name, "cpu", "bfloat16"))
    monkeypatch.chdir("/")
    copied = pickle.loads(pickled)
    assert (copied.device_name, copied.precision) == ("cpu", torch.bfloat16)
    good.unlink()
    with pytest.raises(ModelError, match=r"good\.pt: no such"):
        pickle.loads(pickled)
