"""The camera's pose above the floor, by hand and fitted to depth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import REAL_DATA
from evaluation.metrics.floor_scene import CAMERA, floor
from rs_denoise.evaluation.metrics.camera_pose import CameraPose, PoseError, fit_camera_pose
from rs_denoise.recordings.folders.frame_folder import read_frame

LEVEL = CameraPose(0.5, 0.0)


def test_a_pose_computed_by_hand():
    ahead, right, below = (0, 0, 2), (1, 0, 0), (0, 0.5, 0)
    seen = np.transpose([ahead, right, below])
    assert (
        pytest.approx(np.array([[2, 0, 0.5], [0, -1, 0.5], [0, 0, 0]]))
        == LEVEL.to_floor_frame(seen).T
    )
    # Looking straight down from 2 m, the optical axis ends on the floor.
    assert CameraPose(2, math.pi / 2).to_floor_frame(ahead) == pytest.approx([0, 0, 0])
    # 30 degrees down: 2 m along the axis are 1 m down and 1.73 m ahead.
    tilted = CameraPose(1.5, math.radians(30)).to_floor_frame(ahead)
    assert tilted == pytest.approx([math.sqrt(3), 0, 0.5])
    # Leaning to the right by 30 degrees, what is right is lower.
    leaning = CameraPose(1, 0.0, math.radians(30)).to_floor_frame(right)
    assert leaning == pytest.approx([0, -math.cos(math.radians(30)), 0.5])


@settings(max_examples=15)
@given(st.floats(0.1, 2.5), st.floats(math.radians(5), math.radians(40)), st.floats(-0.15, 0.15))
def test_a_known_pose_is_fitted(height_m, pitch_rad, roll_rad):
    pose = CameraPose(height_m, pitch_rad, roll_rad)
    found = fit_camera_pose(floor(pose, farthest_m=8.0), CAMERA)
    assert found.height_m == pytest.approx(height_m, abs=0.01)
    assert found.pitch_rad == pytest.approx(pitch_rad, abs=0.01)
    assert found.roll_rad == pytest.approx(roll_rad, abs=0.01)


def room(pose, noise_px=0.15):
    """The floor, a wall 3 m ahead and a box, with the noise of a stereo camera."""
    depth = floor(pose).astype(np.float64)
    depth = np.where((depth == 0) | (depth > 3000), 3000, depth)
    depth[50:95, 30:70] = np.minimum(depth[50:95, 30:70], 1200)
    disparity = 5000 / depth + np.random.default_rng(0).normal(0, noise_px, depth.shape)
    return (5000 / disparity).round().astype(np.uint16)


def test_a_floor_is_found_beside_other_things_and_noise():
    found = fit_camera_pose(room(CameraPose(0.4, math.radians(15))), CAMERA)
    assert found.height_m == pytest.approx(0.4, abs=0.02)
    assert math.degrees(found.pitch_rad) == pytest.approx(15, abs=1)
    assert abs(math.degrees(found.roll_rad)) < 1
    again = fit_camera_pose(room(CameraPose(0.4, math.radians(15))), CAMERA)
    assert again == found


def test_depth_without_a_floor_is_rejected_with_the_reason():
    size = (121, 161)
    with pytest.raises(PoseError, match="has 0 valid pixels"):
        fit_camera_pose(np.zeros(size, np.uint16), CAMERA)
    with pytest.raises(PoseError, match="no surface that could be a floor"):
        fit_camera_pose(np.full(size, 1500, np.uint16), CAMERA)
    with pytest.raises(PoseError, match="m above the floor, expected"):
        fit_camera_pose(floor(CameraPose(4.0, math.radians(30)), farthest_m=20), CAMERA)
    rng = np.random.default_rng(0)
    with pytest.raises(PoseError, match="no floor"):
        fit_camera_pose(rng.integers(500, 4000, size).astype(np.uint16), CAMERA)


def test_a_table_is_no_floor():
    """Seen over its edge, what lies behind is lower."""
    table, ground = (floor(CameraPose(h, math.radians(20)), farthest_m=10) for h in (0.4, 1.1))
    depth = np.where((table > 0) & (table < 900), table, ground)
    with pytest.raises(PoseError, match="table"):
        fit_camera_pose(depth, CAMERA)


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no real frames in {REAL_DATA}")
def test_the_floors_of_real_rooms_are_found_and_leaves_are_none():
    for name in ("faro_4609", "faro_4788", "faro_6422"):
        frame = read_frame(REAL_DATA / name)
        seen = fit_camera_pose(frame.depth_mm, frame.camera)
        scanned = fit_camera_pose(frame.ground_truth_mm, frame.camera)
        assert seen.height_m == pytest.approx(scanned.height_m, rel=0.03)
        assert seen.pitch_rad == pytest.approx(scanned.pitch_rad, abs=math.radians(1.5))
    for name in ("d435i_emitter_off", "d435i_emitter_on", "d415_640x360"):
        frame = read_frame(REAL_DATA / name)
        with pytest.raises(PoseError):
            fit_camera_pose(frame.depth_mm, frame.camera)
