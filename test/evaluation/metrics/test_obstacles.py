"""Cells of a Nav2 obstacle layer that depth marks: false, missed and changed ones."""

import math

import numpy as np

from evaluation.metrics.floor_scene import CAMERA, floor
from rs_denoise.evaluation.metrics.blocks import ObstacleCells
from rs_denoise.evaluation.metrics.camera_pose import CameraPose
from rs_denoise.evaluation.metrics.obstacles import ObstacleCounter, ObstacleLayer

LAYER = ObstacleLayer()
LEVEL = CameraPose(0.5, 0.0)


def one_pixel(column, row, depth_mm):
    depth = np.zeros((121, 161), np.uint16)
    depth[row, column] = depth_mm
    return depth


def cells(depth_mm, pose=LEVEL, layer=LAYER):
    return layer.mark_cells(depth_mm, CAMERA, pose).tolist()


def test_a_pixel_marks_the_cell_below_it():
    # On the axis 2.02 m ahead: cell 40 ahead (2.00 to 2.05), 0 to the left.
    assert cells(one_pixel(80, 60, 2020)) == [[40, 0]]
    # 10 px to the right are 0.202 m: y is -0.202, cell -5.
    assert cells(one_pixel(90, 60, 2020)) == [[40, -5]]
    assert cells(one_pixel(70, 60, 2020)) == [[40, 4]]
    both = one_pixel(70, 60, 2020) + one_pixel(90, 60, 2020) + one_pixel(90, 61, 2020)
    assert cells(both) == [[40, -5], [40, 4]]


def test_too_low_too_high_too_near_and_too_far_do_not_mark():
    # 30 px down at 1.5 m are 0.45 m down: 5 cm above the floor, just high enough; 31 are not.
    assert cells(one_pixel(80, 90, 1500), CameraPose(0.5001, 0.0)) and not cells(
        one_pixel(80, 91, 1500)
    )
    # 60 px up at 2 m are 1.2 m up.
    assert cells(one_pixel(80, 0, 2000), CameraPose(0.79, 0.0)) == [[40, 0]]
    assert cells(one_pixel(80, 0, 2000), CameraPose(0.81, 0.0)) == []
    # The range is the distance from the camera, not depth: 60 px aside, 2144 mm are 2500.3 away.
    assert cells(one_pixel(140, 60, 2143)) and not cells(one_pixel(140, 60, 2144))
    assert not cells(one_pixel(80, 60, 2500)) and cells(one_pixel(80, 60, 2499))
    far = ObstacleLayer(obstacle_min_range=1.0, obstacle_max_range=4.0, resolution=0.1)
    assert cells(one_pixel(80, 60, 3950), layer=far) == [[39, 0]]
    assert cells(one_pixel(80, 60, 999), layer=far) == []


def test_a_floor_is_free():
    pose = CameraPose(0.4, math.radians(20), math.radians(3))
    assert (floor(pose) > 0).mean() > 0.5
    assert cells(floor(pose), pose) == []
    # Nav2's default marks its rounding to millimetres.
    assert len(cells(floor(pose), pose, ObstacleLayer(min_obstacle_height=0.0))) > 100


def scored(depth_mm, raw_mm=None, truth_mm=None):
    raw = depth_mm if raw_mm is None else raw_mm
    return ObstacleCounter(LAYER, LEVEL, CAMERA, raw, truth_mm).count(depth_mm)


def test_false_and_missed_obstacles_by_hand():
    """At 2 m a cell is 2.5 px wide."""
    truth = one_pixel(80, 60, 2020) + one_pixel(120, 60, 2020)  # cells (40, 0) and (40, -17)
    truth[60, 40] = 5000  # known to be far
    near = one_pixel(80, 60, 2080)  # (41, 0): one cell off
    assert scored(near, truth_mm=truth) == ObstacleCells(
        marked_cells=1, false_obstacle_cells=0, missed_cells=1,
        appeared_cells=0, disappeared_cells=0,
    )  # fmt: skip
    two_off = one_pixel(80, 60, 2120)
    figures = scored(two_off, truth_mm=truth)
    assert figures.false_obstacle_cells == 1 and figures.missed_cells == 2
    false = truth.copy()
    false[60, 40] = 1500
    figures = scored(false, truth_mm=truth)
    assert figures.false_obstacle_cells == 1 and figures.missed_cells == 0


def test_cells_whose_truth_is_unknown_are_not_judged():
    truth = one_pixel(80, 60, 2020)
    depth = truth + one_pixel(20, 60, 1500)
    figures = scored(depth, truth_mm=truth)
    assert figures.marked_cells == 2 and figures.false_obstacle_cells == 0


def test_without_truth_only_changes_are_known():
    raw, depth = one_pixel(80, 60, 2020), one_pixel(20, 60, 1500) + one_pixel(25, 60, 1500)
    figures = scored(depth, raw)
    assert figures.marked_cells == figures.appeared_cells == 2
    assert figures.disappeared_cells == 1
    assert math.isnan(figures.false_obstacle_cells) and math.isnan(figures.missed_cells)


def test_an_empty_image_marks_nothing_and_misses_all():
    nothing = np.zeros((121, 161), np.uint16)
    figures = scored(nothing, truth_mm=one_pixel(80, 60, 2020))
    assert figures.marked_cells == figures.false_obstacle_cells == 0
    assert figures.missed_cells == 1
    assert scored(nothing, truth_mm=nothing).missed_cells == 0
