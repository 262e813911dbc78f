import math

import numpy as np
import pytest

from conftest import REAL_DATA
from rs_denoise.evaluation.metrics.no_reference import (
    _find_between_sides,
    find_infrared_edges,
    measure_without_reference,
)
from rs_denoise.evaluation.metrics.planes import Roi
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.recording import open_recording
from scenes import camera

SIZE = (60, 80)


def scored(depth_mm, raw_mm=None, infrared=None, planes=()):
    raw = depth_mm if raw_mm is None else raw_mm
    frame = Frame("f", camera(80, 60), raw, infrared)
    edges = None if infrared is None else find_infrared_edges(infrared)
    return measure_without_reference(frame, depth_mm, list(planes), edges)


def wall(depth_mm=2000):
    return np.full(SIZE, depth_mm, np.uint16)


def step(between=()):
    """1 m on the left, 3 m from column 40 on, and what is between."""
    depth = wall(1000)
    depth[:, 40:] = 3000
    depth[:, 40 : 40 + len(between)] = between
    return depth


def test_the_camera_s_own_depth_has_not_changed():
    depth = step()
    depth[:6] = 0
    figures = scored(depth, infrared=wall(80).astype(np.uint8))
    assert figures.fill_pct == 90
    for name in ("changed_median", "changed_bad", "dropped", "filled", "receded", "flying_ir"):
        assert getattr(figures, f"{name}_pct") == 0


def test_changes_by_hand():
    raw, out = wall(1000), wall(1000)
    raw[:12] = 0  # 12 rows of holes ...
    out[12:60] = 1010  # ... and 48 rows of which all moved by 1 % but
    out[12:24] = 900  # 12 by 10 % nearer
    out[24:30] = 1100  # 6 by 10 % farther
    out[30:36] = 0  # and 6 are gone
    out[3:12] = 0  # of the holes, 3 rows are filled
    figures = scored(out, raw)
    assert figures.fill_pct == pytest.approx(100 * 45 / 60)
    assert figures.changed_median_pct == pytest.approx(1)
    assert figures.changed_bad_pct == pytest.approx(100 * 18 / 42)
    assert figures.receded_pct == pytest.approx(100 * 6 / 42)
    assert figures.dropped_pct == pytest.approx(100 * 6 / 48)
    assert figures.filled_pct == pytest.approx(100 * 3 / 12)


def test_what_the_gate_allows_has_not_receded():
    """3 % of 1010 mm are 30.3 mm; published is 1040.3 mm at most, rounded to 1040."""
    assert scored(wall(1040), wall(1010)).receded_pct == 0
    assert scored(wall(1041), wall(1010)).receded_pct == 100


def test_nothing_to_measure_is_not_a_number():
    figures = scored(wall(0), wall())
    assert figures.fill_pct == 0 and figures.dropped_pct == 100
    for name in ("changed_median_pct", "receded_pct", "filled_pct", "flying_ir_pct"):
        assert math.isnan(getattr(figures, name))
    for name in ("plane_rms_mm", "plane_rms_pct", "plane_subpixel_px"):
        assert math.isnan(getattr(figures, name))


def test_planes_are_means_over_those_that_have_depth():
    y, x = np.mgrid[:60, :80]
    depth = (2000 + np.where((x + y) % 2, 10, -10)).astype(np.uint16)
    depth[:, 40:] = 2000
    depth[:30, 60:] = 0
    planes = [Roi(0, 0, 40, 60), Roi(40, 0, 20, 60), Roi(60, 0, 20, 30)]
    figures = scored(depth, planes=planes)
    assert figures.plane_rms_mm == pytest.approx((10 + 0) / 2, rel=0.01)
    assert figures.plane_rms_pct == pytest.approx(0.25, rel=0.01)
    px = camera(80, 60).disparity_scale_px_mm * 10 / 2000**2
    assert figures.plane_subpixel_px == pytest.approx(px / 2, rel=0.01)


def test_a_pixel_that_floats_where_the_image_has_no_edge_is_flying():
    even = np.full(SIZE, 80, np.uint8)
    edge = even.copy()
    edge[:, 40:] = 30
    smeared = step(between=[1500, 2000])
    assert scored(smeared, infrared=even).flying_ir_pct == pytest.approx(100 * 2 / 80)
    assert scored(smeared, infrared=edge).flying_ir_pct == 0
    assert scored(step(), infrared=even).flying_ir_pct == 0
    assert math.isnan(scored(smeared).flying_ir_pct)


def test_an_edge_elsewhere_supports_nothing():
    edge = np.full(SIZE, 80, np.uint8)
    edge[:, :20] = 30
    assert scored(step(between=[2000]), infrared=edge).flying_ir_pct == pytest.approx(1.25)


def test_within_five_percent_of_a_side_is_no_flying():
    even = np.full(SIZE, 80, np.uint8)
    # In disparity: 1040 is 3.8 % below 1000's, 2900 is 3.4 % above 3000's.
    assert scored(step(between=[1040, 2900]), infrared=even).flying_ir_pct == 0


def test_a_floor_at_a_grazing_angle_does_not_fly():
    """Its neighbours two rows away are 8 % nearer and farther."""
    rows = np.arange(20, 80)[:, None]
    floor = np.broadcast_to(100_000 / rows, SIZE).astype(np.uint16)
    assert floor[5, 0] / floor[7, 0] > 1.07
    assert scored(floor, infrared=np.full(SIZE, 80, np.uint8)).flying_ir_pct == 0


def test_the_projectors_dots_are_no_edges():
    dots = np.full(SIZE, 40, np.uint8)
    for row, column in np.ndindex(3, 3):
        dots[row::9, column::9] = 90
    smeared = step(between=[1500, 2000])
    assert scored(smeared, infrared=dots).flying_ir_pct == pytest.approx(100 * 2 / 80)


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no real frames in {REAL_DATA}")
def test_what_flies_on_real_frames_is_mostly_wrong():
    """As the docstring says, where a laser scan knows."""
    flying, wrong, all_wrong = 0, 0, 0.0
    for frame in open_recording(REAL_DATA):
        if frame.ground_truth_mm is None:
            continue
        known = (frame.ground_truth_mm > 0) & (frame.depth_mm > 0)
        off = np.abs(frame.depth_mm.astype(float) - frame.ground_truth_mm)
        bad = off > 0.05 * frame.ground_truth_mm
        found = known & _find_between_sides(frame.depth_mm) & ~find_infrared_edges(frame.infrared)
        flying, wrong = flying + found.sum(), wrong + (found & bad).sum()
        all_wrong = max(all_wrong, bad[known].mean())
    assert flying > 300 and wrong > 0.8 * flying and all_wrong < 0.1
