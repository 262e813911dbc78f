import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import REAL_DATA
from rs_denoise.camera import Camera
from rs_denoise.evaluation.metrics.blocks import ObstacleCells
from rs_denoise.evaluation.metrics.obstacles import (
    Mount,
    MountError,
    ObstacleCounter,
    ObstacleLayer,
    fit_mount,
)
from rs_denoise.recordings.folders.frame_folder import read_frame

CAMERA = Camera(161, 121, 100.0, 100.0, 80.0, 60.0, 0.05)
LAYER = ObstacleLayer()
LEVEL = Mount(0.5, 0.0)


def one_pixel(column, row, depth_mm):
    depth = np.zeros((121, 161), np.uint16)
    depth[row, column] = depth_mm
    return depth


def floor(mount, camera=CAMERA, farthest_m=6.0):
    """Depth of the floor alone, as the camera sees it from there."""
    y, x = np.mgrid[: camera.height, : camera.width]
    rays = np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1 + 0 * x], axis=-1)
    down = mount.height_m - mount.on_floor(rays.reshape(-1, 3).T)[2].reshape(x.shape)
    z = np.where(down > 1e-6, mount.height_m / np.maximum(down, 1e-6), np.inf)
    return np.where(z < farthest_m, 1000 * z, 0).round().astype(np.uint16)


def cells(depth_mm, mount=LEVEL, layer=LAYER):
    return layer.mark_cells(depth_mm, CAMERA, mount).tolist()


def test_a_mount_by_hand():
    ahead, right, below = (0, 0, 2), (1, 0, 0), (0, 0.5, 0)
    seen = np.transpose([ahead, right, below])
    assert pytest.approx(np.array([[2, 0, 0.5], [0, -1, 0.5], [0, 0, 0]])) == LEVEL.on_floor(seen).T
    # Looking straight down from 2 m, the optical axis ends on the floor.
    assert Mount(2, math.pi / 2).on_floor(ahead) == pytest.approx([0, 0, 0])
    # 30 degrees down: 2 m along the axis are 1 m down and 1.73 m ahead.
    tilted = Mount(1.5, math.radians(30)).on_floor(ahead)
    assert tilted == pytest.approx([math.sqrt(3), 0, 0.5])
    # Leaning to the right by 30 degrees, what is right is lower.
    leaning = Mount(1, 0.0, math.radians(30)).on_floor(right)
    assert leaning == pytest.approx([0, -math.cos(math.radians(30)), 0.5])


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
    assert cells(one_pixel(80, 90, 1500), Mount(0.5001, 0.0)) and not cells(one_pixel(80, 91, 1500))
    # 60 px up at 2 m are 1.2 m up.
    assert cells(one_pixel(80, 0, 2000), Mount(0.79, 0.0)) == [[40, 0]]
    assert cells(one_pixel(80, 0, 2000), Mount(0.81, 0.0)) == []
    # The range is the distance from the camera, not depth: 60 px aside, 2144 mm are 2500.3 away.
    assert cells(one_pixel(140, 60, 2143)) and not cells(one_pixel(140, 60, 2144))
    assert not cells(one_pixel(80, 60, 2500)) and cells(one_pixel(80, 60, 2499))
    far = ObstacleLayer(obstacle_min_range=1.0, obstacle_max_range=4.0, resolution=0.1)
    assert cells(one_pixel(80, 60, 3950), layer=far) == [[39, 0]]
    assert cells(one_pixel(80, 60, 999), layer=far) == []


def test_a_floor_is_free():
    mount = Mount(0.4, math.radians(20), math.radians(3))
    assert (floor(mount) > 0).mean() > 0.5
    assert cells(floor(mount), mount) == []
    # Nav2's default marks its rounding to millimetres.
    assert len(cells(floor(mount), mount, ObstacleLayer(min_obstacle_height=0.0))) > 100


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


@settings(max_examples=15)
@given(st.floats(0.1, 2.5), st.floats(math.radians(5), math.radians(40)), st.floats(-0.15, 0.15))
def test_a_mount_is_found_again(height_m, pitch_rad, roll_rad):
    mount = Mount(height_m, pitch_rad, roll_rad)
    found = fit_mount(floor(mount, farthest_m=8.0), CAMERA)
    assert found.height_m == pytest.approx(height_m, abs=0.01)
    assert found.pitch_rad == pytest.approx(pitch_rad, abs=0.01)
    assert found.roll_rad == pytest.approx(roll_rad, abs=0.01)


def room(mount, noise_px=0.15):
    """The floor, a wall 3 m ahead and a box, with the noise of a stereo camera."""
    depth = floor(mount).astype(np.float64)
    depth = np.where((depth == 0) | (depth > 3000), 3000, depth)
    depth[50:95, 30:70] = np.minimum(depth[50:95, 30:70], 1200)
    disparity = 5000 / depth + np.random.default_rng(0).normal(0, noise_px, depth.shape)
    return (5000 / disparity).round().astype(np.uint16)


def test_a_floor_is_found_beside_other_things_and_noise():
    found = fit_mount(room(Mount(0.4, math.radians(15))), CAMERA)
    assert found.height_m == pytest.approx(0.4, abs=0.02)
    assert math.degrees(found.pitch_rad) == pytest.approx(15, abs=1)
    assert abs(math.degrees(found.roll_rad)) < 1
    again = fit_mount(room(Mount(0.4, math.radians(15))), CAMERA)
    assert again == found


def test_what_is_no_floor_is_said():
    size = (121, 161)
    with pytest.raises(MountError, match="has 0 valid pixels"):
        fit_mount(np.zeros(size, np.uint16), CAMERA)
    with pytest.raises(MountError, match="no surface that could be a floor"):
        fit_mount(np.full(size, 1500, np.uint16), CAMERA)
    with pytest.raises(MountError, match="m above the floor, expected"):
        fit_mount(floor(Mount(4.0, math.radians(30)), farthest_m=20), CAMERA)
    rng = np.random.default_rng(0)
    with pytest.raises(MountError, match="no floor"):
        fit_mount(rng.integers(500, 4000, size).astype(np.uint16), CAMERA)


def test_a_table_is_no_floor():
    """Seen over its edge, what lies behind is lower."""
    table, ground = (floor(Mount(h, math.radians(20)), farthest_m=10) for h in (0.4, 1.1))
    depth = np.where((table > 0) & (table < 900), table, ground)
    with pytest.raises(MountError, match="table"):
        fit_mount(depth, CAMERA)


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no real frames in {REAL_DATA}")
def test_the_floors_of_real_rooms_are_found_and_leaves_are_none():
    for name in ("faro_4609", "faro_4788", "faro_6422"):
        frame = read_frame(REAL_DATA / name)
        seen = fit_mount(frame.depth_mm, frame.camera)
        scanned = fit_mount(frame.ground_truth_mm, frame.camera)
        assert seen.height_m == pytest.approx(scanned.height_m, rel=0.03)
        assert seen.pitch_rad == pytest.approx(scanned.pitch_rad, abs=math.radians(1.5))
    for name in ("d435i_emitter_off", "d435i_emitter_on", "d415_640x360"):
        frame = read_frame(REAL_DATA / name)
        with pytest.raises(MountError):
            fit_mount(frame.depth_mm, frame.camera)
