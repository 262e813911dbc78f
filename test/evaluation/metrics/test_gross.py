import math

import numpy as np

from rs_denoise.evaluation.metrics.gross import gross_percentage


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
