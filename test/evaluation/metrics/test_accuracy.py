import math

import numpy as np
import pytest
import torch

from rs_denoise.evaluation.metrics.accuracy import measure_accuracy
from rs_denoise.evaluation.metrics.blocks import Accuracy
from rs_denoise.evaluation.metrics.ground_truth import GroundTruth

SCALE = 20_000.0  # 10 px at 2 m


def wall(depth=2000, shape=(60, 80)):
    return np.full(shape, depth, np.uint16)


def scored(depth, truth, only=None):
    return measure_accuracy(depth, GroundTruth.of(truth, SCALE), SCALE, only)


def test_the_truth_has_no_error():
    figures = scored(wall(), wall())
    assert figures.fill_pct == 100 and figures.mae_mm == figures.rmse_mm == 0
    assert figures.bad5_pct == figures.high_frequency_error_px == figures.interior_mae_px == 0
    assert math.isnan(figures.flying_pct) and math.isnan(figures.thin_recall_pct)


def test_counts_and_means_by_hand():
    """A quarter each: invalid, right, 6 % too near, 10 % too far."""
    depth = wall()
    depth[:30, :40], depth[30:, :40], depth[30:, 40:] = 0, 1880, 2200
    figures = scored(depth, wall())
    assert figures.fill_pct == 75
    assert figures.mae_mm == pytest.approx((0 + 120 + 200) / 3)
    assert figures.rmse_mm == pytest.approx(math.sqrt((120**2 + 200**2) / 3))
    assert figures.med_rel_pct == pytest.approx(6)
    assert figures.rel_pct == pytest.approx((0 + 6 + 10) / 3)
    assert figures.bad5_pct == pytest.approx(200 / 3)
    assert figures.false_free_pct == figures.false_obstacle_pct == pytest.approx(100 / 3)
    px = (SCALE / 1880 - 10, 10 - SCALE / 2200)
    assert figures.disparity_mae_px == pytest.approx(sum(px) / 3, rel=1e-4)


def test_exactly_five_percent_is_not_bad():
    assert scored(wall(2100), wall()).bad5_pct == 0
    assert scored(wall(2101), wall()).false_free_pct == 100
    assert scored(wall(1899), wall()).false_obstacle_pct == 100


def test_deltas_by_hand():
    """Six stripes: right, 4 % and 6 % off, 12 % too near, 24 % too far, invalid."""
    depth = wall()
    for i, value in enumerate((2000, 2080, 1880, 1760, 2480, 0)):
        depth[10 * i : 10 * (i + 1)] = value
    figures = scored(depth, wall())
    assert figures.delta_105_pct == pytest.approx(100 * 2 / 5)
    # 2000 / 1880 = 1.064 is within 1.10, 2000 / 1760 = 1.136 is not.
    assert figures.delta_110_pct == pytest.approx(100 * 3 / 5)
    assert figures.delta_125_pct == 100
    # The limit itself is outside, on both sides.
    for limit, metric in (
        (2100, Accuracy.delta_105_pct),
        (2200, Accuracy.delta_110_pct),
        (2500, Accuracy.delta_125_pct),
    ):
        assert metric.of(scored(wall(limit), wall())) == 0
        assert metric.of(scored(wall(2000), wall(limit))) == 0
        assert metric.of(scored(wall(limit - 1), wall())) == 100


def test_errors_agree_with_torchmetrics():
    torchmetrics = pytest.importorskip("torchmetrics.functional")
    rng = np.random.default_rng(0)
    truth = rng.integers(300, 7000, (60, 80)).astype(np.uint16)
    depth = (truth * rng.normal(1, 0.1, truth.shape)).astype(np.uint16)
    depth[rng.random(truth.shape) < 0.1] = 0
    truth[rng.random(truth.shape) < 0.1] = 0
    figures = scored(depth, truth)
    both = (depth > 0) & (truth > 0) & (truth < 6000)
    found, known = (torch.tensor(image[both].astype(np.float64)) for image in (depth, truth))
    for metric, reference in (
        (Accuracy.mae_mm, torchmetrics.mean_absolute_error(found, known)),
        (Accuracy.rmse_mm, torchmetrics.mean_squared_error(found, known, squared=False)),
        (Accuracy.rel_pct, 100 * torchmetrics.mean_absolute_percentage_error(found, known)),
        (Accuracy.disparity_mae_px, torchmetrics.mean_absolute_error(SCALE / found, SCALE / known)),
    ):
        assert metric.of(figures) == pytest.approx(float(reference), rel=1e-5), metric


def test_far_and_unknown_truth_does_not_count():
    truth = wall()
    truth[:30], truth[30:40] = 0, 6000
    figures = scored(wall(4000), truth)
    assert figures.mae_mm == 2000 and figures.fill_pct == 100


def test_only_restricts_to_the_same_pixels():
    depth, only = wall(), np.zeros((60, 80), bool)
    depth[:, 40:] = 3000
    only[:, :20] = True
    figures = scored(depth, wall(), only)
    assert figures.mae_mm == 0 and figures.fill_pct == 25


def step_scene():
    """Near on the left, far on the right, the edge between columns 39 and 40."""
    truth = wall(4000)
    truth[:, :40] = 1000
    return truth


def test_flying_pixels_lie_between_the_surfaces_of_an_edge():
    depth = step_scene()
    depth[:, 40] = 2000
    figures = scored(depth, step_scene())
    # The 3x3 gradient marks columns 39 and 40 (of 4000: 3000 > 5 %), 11x11 makes that 34..45.
    assert figures.flying_pct == pytest.approx(100 / 12)
    fattened = step_scene()
    fattened[:, 40] = 1000  # on one of the surfaces: wrong, but not flying
    assert scored(fattened, step_scene()).flying_pct == 0
    assert scored(fattened, step_scene()).false_obstacle_pct == pytest.approx(100 / 80)


def test_rim_and_interior():
    depth = step_scene()
    depth[:, 40] = 1000
    figures = scored(depth, step_scene())
    # 15x15 around columns 39 and 40: 32..47, sixteen columns, one of them 15 px off.
    assert figures.edge_band_mae_px == pytest.approx(15 / 16) and figures.interior_mae_px == 0


def test_a_hole_in_the_truth_is_no_edge():
    truth = wall()
    truth[20:30, 20:30] = 0
    zones = GroundTruth.of(truth, SCALE)
    assert not zones.edge.any() and not zones.edge_band.any() and not zones.thin.any()


def test_thin_things():
    truth = wall(4000)
    truth[:, 40:44] = 2000  # 4 px wide
    truth[:, 10:25] = 2000  # 15 px wide: not thin
    zones = GroundTruth.of(truth, SCALE)
    assert zones.thin[:, 40:44].all() and zones.thin.sum() == 4 * 60
    depth = truth.copy()
    depth[:, 40], depth[:, 41] = 0, 4000
    assert scored(depth, truth).thin_recall_pct == 50


def test_ripple_is_the_fast_part_of_the_error():
    x = np.arange(160)
    slow, fast = 0.2 * np.ones(160), 0.1 * np.sin(2 * np.pi * x / 8)
    truth = wall(shape=(80, 160))
    for error, expected in (
        (slow, 0.0),
        (fast, 0.1 / math.sqrt(2)),
        (slow + fast, 0.1 / math.sqrt(2)),
    ):
        depth = np.broadcast_to(SCALE / (10 + error), (80, 160))
        assert scored(depth, truth).high_frequency_error_px == pytest.approx(expected, abs=0.005)


def test_means_leave_out_what_a_frame_does_not_have():
    frames = [Accuracy(mae_mm=1.0), Accuracy(mae_mm=3.0, rmse_mm=5.0)]
    means = Accuracy.mean(frames)
    assert means.mae_mm == 2.0 and means.rmse_mm == 5.0 and math.isnan(means.bad5_pct)
