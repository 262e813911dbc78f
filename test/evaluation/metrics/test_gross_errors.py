import math

import numpy as np
import pytest

from rs_denoise.evaluation.metrics.accuracy import measure_accuracy
from rs_denoise.evaluation.metrics.ground_truth import GroundTruth

SCALE = 20_000.0


def scored(depth, truth, only=None):
    return measure_accuracy(depth, GroundTruth.of(truth, SCALE), SCALE, only)


def gross_percentage(depth, truth):
    return scored(depth, truth).gross_pct


def step(column, shape=(40, 60), near=1000, far=2000):
    depth = np.full(shape, far, np.uint16)
    depth[:, :column] = near
    return depth


def test_an_edge_that_stands_two_pixels_off_is_no_gross_error_and_three_are():
    truth = step(30)
    assert gross_percentage(step(32), truth) == 0
    assert gross_percentage(step(28), truth) == 0
    # Of three columns the farthest is 3 px from the near surface.
    assert gross_percentage(step(33), truth) == 100 / 60


def test_a_depth_of_neither_side_is_gross_at_the_edge_too():
    depth = step(30)
    depth[:, 30] = 1500
    assert gross_percentage(depth, step(30)) == 100 / 60


def test_exactly_five_percent_is_not_gross():
    truth = np.full((10, 10), 2000, np.uint16)
    assert gross_percentage(truth + 100, truth) == 0
    assert gross_percentage(truth + 101, truth) == 100


def test_only_valid_pixels_with_near_ground_truth_count():
    truth = step(30, near=0, far=2000)
    depth = np.full(truth.shape, 1000, np.uint16)
    depth[:20] = 0
    assert gross_percentage(depth, truth) == 100
    assert math.isnan(gross_percentage(np.zeros_like(depth), truth))
    assert math.isnan(gross_percentage(depth, np.full_like(truth, 6000)))
    # Beyond 6 m nothing is scored, but it explains a depth beside it.
    far = step(30, near=2000, far=9000)
    assert gross_percentage(np.full_like(far, 9000), far) == 100 * 28 / 30


def test_gross_errors_are_near_or_far_by_the_most_similar_truth():
    truth = step(30)
    depth = truth.copy()
    depth[5, 10], depth[6, 10], depth[7, 50] = 900, 1100, 1800
    # Beside the edge, 1200 is farther than the near surface and 1800 is nearer than the far one.
    depth[8, 30], depth[9, 29] = 1200, 1800
    accuracy = scored(depth, truth)
    assert accuracy.gross_near_pct == 100 * 3 / depth.size
    assert accuracy.gross_far_pct == 100 * 2 / depth.size
    only = np.zeros(depth.shape, bool)
    only[5:7] = True
    assert scored(depth, truth, only).gross_near_pct == pytest.approx(100 / 120)


def test_gross_errors_agree_with_a_search_pixel_by_pixel():
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 900, 1500, 4000, 7000], (40, 50)).astype(np.uint16)
    depth = (truth[::-1] * rng.normal(1, 0.06, truth.shape)).astype(np.uint16)
    near, far, valid = 0, 0, 0
    for row, column in zip(*np.nonzero((depth > 0) & (truth > 0) & (truth < 6000)), strict=True):
        window = truth[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
        known = window[window > 0].astype(float)
        error = float(depth[row, column]) - known
        valid += 1
        if (np.abs(error) > 0.05 * known).all():
            nearest = error[np.abs(error).argmin()]
            near, far = near + (nearest < 0), far + (nearest > 0)
    accuracy = scored(depth, truth)
    assert near > 20 and far > 20
    assert accuracy.gross_near_pct == pytest.approx(100 * near / valid)
    assert accuracy.gross_far_pct == pytest.approx(100 * far / valid)
    assert accuracy.gross_pct == pytest.approx(100 * (near + far) / valid)
