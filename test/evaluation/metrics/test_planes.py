import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import REAL_DATA
from rs_denoise.evaluation.metrics.plane_search import find_planes
from rs_denoise.evaluation.metrics.planes import PlaneError, Roi, fit_plane
from rs_denoise.recordings.recording import open_recording
from scenes import camera

CAMERA = camera(848, 480)
SCALE = CAMERA.disparity_scale_px_mm
ALL = Roi(0, 0, 848, 480)
MIDDLE = Roi(324, 190, 200, 100)


def wall(depth_mm=2000.0, x_deg=0.0, y_deg=0.0):
    """Depth of a plane that meets the optical axis there, turned to the side and up."""
    y, x = np.mgrid[:480, :848]
    right, down = (x - CAMERA.cx) / CAMERA.fx, (y - CAMERA.cy) / CAMERA.fy
    slopes = math.tan(math.radians(x_deg)), math.tan(math.radians(y_deg))
    return depth_mm / (1 + slopes[0] * right + slopes[1] * down)


def waves(sigma_px, seed=0):
    """Noise of disparity as a real camera has it: the same over some 8 px."""
    noise = np.random.default_rng(seed).normal(size=(480, 848))
    noise = cv2.GaussianBlur(noise, (0, 0), 8)
    return sigma_px * noise / noise.std()


def measured(depth_mm, sigma_px=0.15, seed=0):
    depth = SCALE / (SCALE / depth_mm + waves(sigma_px, seed))
    return np.rint(depth).astype(np.uint16)


def test_a_wall_that_faces_the_camera_by_hand():
    depth = wall()
    depth[190:200] = 0  # a tenth of the region
    fit = fit_plane(depth, CAMERA, MIDDLE, wall_mm=2000)
    assert fit.fill_pct == 90 and fit.distance_mm == pytest.approx(2000)
    assert fit.rms_mm == pytest.approx(0, abs=1e-3) and fit.tilt_deg == pytest.approx(0, abs=1e-3)
    assert fit.normal == pytest.approx([0, 0, -1], abs=1e-6)
    assert fit.z_accuracy_pct == pytest.approx(0, abs=1e-4)


def test_noise_of_ten_millimetres_by_hand():
    y, x = np.mgrid[:480, :848]
    depth = wall() + np.where((x + y) % 2, 10, -10)
    fit = fit_plane(depth, CAMERA, MIDDLE)
    assert fit.rms_mm == pytest.approx(10, rel=1e-3)
    assert fit.rms_pct == pytest.approx(0.5, rel=1e-3)
    squares = [(SCALE / z - SCALE / 2000) ** 2 for z in (1990, 2010)]
    assert fit.subpixel_rms_px == pytest.approx(math.sqrt(sum(squares) / 2), rel=1e-3)
    assert math.isnan(fit.z_accuracy_pct)


def test_a_tilted_wall_is_as_flat_and_says_its_tilt():
    fit = fit_plane(wall(2000, x_deg=30), CAMERA, MIDDLE)
    assert fit.tilt_deg == pytest.approx(30, abs=1e-3)
    assert fit.normal == pytest.approx([-0.5, 0, -math.sqrt(0.75)], abs=1e-5)
    assert fit.rms_mm < 1e-2 and fit.subpixel_rms_px < 1e-4


def test_the_distance_is_that_at_the_regions_centre():
    roi = Roi(600, 100, 101, 101)
    expected = wall(2000, x_deg=30)[150, 650]
    assert fit_plane(wall(2000, x_deg=30), CAMERA, roi).distance_mm == pytest.approx(expected)


def test_the_half_percent_nearest_and_farthest_are_dropped():
    depth = wall()
    rows, columns = np.unravel_index(np.arange(160), (100, 200))
    depth[190 + rows, 324 + columns] = np.where(columns % 2, 1000, 5000)  # 0.4 % each
    assert fit_plane(depth, CAMERA, MIDDLE).rms_mm == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("tilt", [0, 20])
def test_z_accuracy_is_signed_and_the_tilt_does_not_matter(tilt):
    for seen, expected in ((2040, 2.0), (1980, -1.0)):
        fit = fit_plane(wall(seen, x_deg=tilt), CAMERA, MIDDLE, wall_mm=2000)
        assert fit.z_accuracy_pct == pytest.approx(expected, abs=1e-3)


def test_z_accuracy_follows_the_median_of_the_points():
    """A tenth of the wall comes 100 mm nearer: the plane gives way, the points' median does not."""
    depth = wall()
    depth[190:290:10] -= 100
    fit = fit_plane(depth, CAMERA, MIDDLE, wall_mm=2000)
    assert fit.z_accuracy_pct == pytest.approx(0, abs=0.05)


def test_what_is_no_plane_is_said():
    with pytest.raises(PlaneError, match="99 valid pixels, a plane needs 100"):
        fit_plane(wall(), CAMERA, Roi(0, 0, 99, 1))
    with pytest.raises(PlaneError, match="lie on a line"):
        fit_plane(wall(), CAMERA, Roi(0, 0, 200, 1))
    with pytest.raises(PlaneError, match="edge-on"):
        fit_plane(measured(wall()), CAMERA, Roi(100, 100, 200, 1))
    with pytest.raises(PlaneError, match="the image is 848x480"):
        fit_plane(wall(), CAMERA, Roi(800, 0, 100, 100))
    with pytest.raises(PlaneError, match="positive number"):
        fit_plane(wall(), CAMERA, MIDDLE, wall_mm=-1)
    floor = np.full((480, 848), np.inf)
    floor[300:] = 500 * CAMERA.fy / (np.arange(300, 480) - CAMERA.cy)[:, None]
    with pytest.raises(PlaneError, match="optical axis does not meet the plane in front"):
        fit_plane(floor, CAMERA, Roi(0, 300, 848, 180), wall_mm=2000)


def test_a_region_is_read_and_its_errors_are_sentences():
    assert Roi.parse("300, 200,80,60") == Roi(300, 200, 80, 60)
    for text in ("", "1,2,3", "1,2,3,x", "1.5,2,3,4", "1,2,3,4,5"):
        with pytest.raises(PlaneError, match="four whole numbers"):
            Roi.parse(text)
    for text in ("-1,0,5,5", "0,0,0,5"):
        with pytest.raises(PlaneError, match="0 or more"):
            Roi.parse(text)


@given(st.text())
def test_any_text_is_a_region_or_an_error(text):
    try:
        assert Roi.parse(text).width >= 1
    except PlaneError as error:
        assert "region" in str(error)


def test_a_wavy_wall_is_found_whole():
    largest = find_planes(measured(wall(2500, x_deg=20)), CAMERA)[0]
    assert largest.width * largest.height > 0.75 * 848 * 480


def crossed(rois, column):
    return [roi for roi in rois if roi.left < column < roi.left + roi.width]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("depth_mm", [800, 1500, 2500])
def test_a_rectangle_across_a_step_of_three_percent_is_not_a_plane(depth_mm, seed):
    depth = wall(depth_mm, y_deg=10)
    column = 424 - 26 * seed
    depth[:, column:] *= 1.03
    rois = find_planes(measured(depth, 0.1, seed), CAMERA)
    assert len(rois) >= 2 and not crossed(rois, column)


def test_two_walls_of_a_corner_are_two_planes():
    corner = np.minimum(wall(2000, x_deg=40), wall(2000, x_deg=-40))
    rois = find_planes(measured(corner), CAMERA)
    assert len(rois) >= 2
    for roi in rois:
        assert fit_plane(corner, CAMERA, roi).subpixel_rms_px < 0.1
        assert roi.left >= 424 or roi.left + roi.width <= 424


def test_rectangles_are_large_apart_and_largest_first():
    depth = wall()
    depth[:, 200:300] = 0
    depth[200:240] = 1500
    rois = find_planes(measured(np.maximum(depth, 1)) * (depth > 0), CAMERA)
    sizes = [roi.width * roi.height for roi in rois]
    assert len(rois) == 3 and sizes == sorted(sizes, reverse=True)
    for i, roi in enumerate(rois):
        assert roi.width >= 848 // 8 - 2 and roi.height >= 480 // 8
        assert not any(roi.overlaps(other) for other in rois[i + 1 :])


def test_where_there_is_no_plane_none_is_found():
    assert find_planes(np.zeros((480, 848), np.uint16), CAMERA) == []
    assert find_planes(measured(wall(1500), sigma_px=2), CAMERA) == []
    assert find_planes(np.full((20, 30), 1000, np.uint16), camera(30, 20)) == []


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no real frames in {REAL_DATA}")
def test_in_real_rooms_a_laser_scan_calls_them_flat_and_leaves_have_none():
    found = {f.name: (f, find_planes(f.depth_mm, f.camera)) for f in open_recording(REAL_DATA)}
    assert found["d435i_emitter_off"][1] == []
    flatness = []
    for frame, rois in found.values():
        for roi in rois:
            assert fit_plane(frame.depth_mm, frame.camera, roi).subpixel_rms_px < 0.25
            if frame.ground_truth_mm is not None:
                flatness.append(fit_plane(frame.ground_truth_mm, frame.camera, roi).subpixel_rms_px)
    # One has a slit between two boards that only the scan sees.
    assert len(flatness) >= 9 and sorted(flatness)[-2] < 0.05
