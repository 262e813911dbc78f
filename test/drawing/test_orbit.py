import numpy as np
import pytest

from rs_denoise.drawing.orbit import (
    BACKGROUND,
    PITCH_DEG,
    STEP_BACK,
    OrbitCamera,
    PointCloud,
    render_orbit,
    render_view,
    swing_angles,
)
from scenes import camera

RED, GREEN = (255, 0, 0), (0, 255, 0)
# The eye is 1.35 * 2 m from the pivot and draws 200 px for each metre at 1 m.
ORBIT = OrbitCamera(width=161, height=121, pivot_m=2.0, focal_px=200.0, splat_px=4)


def cloud(*points, colours=None):
    colours = colours or [RED] * len(points)
    return PointCloud(
        np.array(points, np.float32).reshape(-1, 3), np.array(colours, np.uint8).reshape(-1, 3)
    )


def centre_of(picture):
    """Column and row of the middle of all that is not background."""
    rows, columns = np.nonzero((picture != BACKGROUND).any(axis=2))
    return columns.mean(), rows.mean()


def wall(depth_m, colour, half_m=1.0, step_m=0.01):
    """Points of a wall that faces the camera."""
    across = np.arange(-half_m, half_m, step_m)
    x, y = np.meshgrid(across, across)
    points = np.stack([x.ravel(), y.ravel(), np.full(x.size, depth_m)], axis=1)
    return PointCloud(points.astype(np.float32), np.tile(np.uint8(colour), (len(points), 1)))


def both(one, other):
    return PointCloud(
        np.vstack([one.points_m, other.points_m]), np.vstack([one.colours, other.colours])
    )


@pytest.mark.parametrize("yaw_deg", [-30, 0, 17])
def test_the_pivot_stays_in_the_middle(yaw_deg):
    assert centre_of(render_view(cloud((0, 0, 2)), ORBIT, yaw_deg)) == pytest.approx(
        (80, 60), abs=1
    )


def test_a_point_beside_the_pivot_is_where_a_pinhole_camera_sees_it():
    column, row = centre_of(render_view(cloud((0.5, 0, 2)), ORBIT, 0))
    assert column == pytest.approx(80 + 200 * 0.5 / (2 * (1 + STEP_BACK)), abs=1)
    assert row == pytest.approx(60, abs=1)


def test_a_point_above_the_pivot_is_seen_from_above():
    column, row = centre_of(render_view(cloud((0, -0.4, 2)), ORBIT, 0))
    up, tilt = 0.4, np.deg2rad(PITCH_DEG)
    away = 2 * (1 + STEP_BACK) - up * np.sin(tilt)
    assert (column, row) == pytest.approx((80, 60 - 200 * up * np.cos(tilt) / away), abs=1)


def test_seen_from_the_right_what_is_nearer_moves_left_and_what_is_farther_right():
    near, far = cloud((0, 0, 1.5)), cloud((0, 0, 2.5))
    assert (
        centre_of(render_view(near, ORBIT, 20))[0] < 75
        and centre_of(render_view(far, ORBIT, 20))[0] > 85
    )
    assert (
        centre_of(render_view(near, ORBIT, -20))[0] > 85
        and centre_of(render_view(far, ORBIT, -20))[0] < 75
    )


@pytest.mark.parametrize("order", [1, -1])
def test_the_nearer_wall_hides_the_farther_in_whatever_order_they_come(order):
    walls = [wall(2.0, RED), wall(2.5, GREEN)][::order]
    picture = render_view(both(*walls), ORBIT, 0)
    assert (picture[40:80, 60:100, 0] > 200).all() and (picture[40:80, 60:100, 1] == 0).all()


def test_a_flying_pixel_lies_on_the_wall_from_the_front_and_hangs_free_from_the_side():
    """At the edge of a red wall, one green point on its way to the eye."""
    red_wall, green_point = wall(2.0, RED, half_m=0.3), cloud((0.12, 0, 1.2), colours=[GREEN])
    for yaw_deg in (0, -35):
        green = render_view(both(red_wall, green_point), ORBIT, yaw_deg)[..., 1] > 100
        red = render_view(red_wall, ORBIT, yaw_deg)[..., 0] > 100
        assert (
            green.any()
            and (green == (render_view(green_point, ORBIT, yaw_deg)[..., 1] > 100)).all()
        )
        free = np.nonzero(green)[1].min() > np.nonzero(red)[1].max()
        assert free == (yaw_deg != 0)


def test_a_hole_shows_the_background_and_a_wall_has_none_between_its_points():
    depth = np.full((240, 320), 2000, np.uint16)
    depth[100:140, 140:180] = 0
    seen = camera(320, 240, fx=300)
    orbit_camera = OrbitCamera.of(depth, seen, 320, 240)
    whole = PointCloud.of(np.full_like(depth, 2000), seen, None, 1000, 4000)
    holed = PointCloud.of(depth, seen, None, 1000, 4000)
    assert len(holed.points_m) == 240 * 320 - 40 * 40
    for yaw_deg in (0, 15):
        blank = (render_view(whole, orbit_camera, yaw_deg) == BACKGROUND).all(axis=2)
        assert not blank[40:200, 60:260].any()
        blank = (render_view(holed, orbit_camera, yaw_deg) == BACKGROUND).all(axis=2)
        assert blank[113:127, 153:167].all()


def test_the_eye_turns_about_the_median_depth_and_sees_what_the_camera_saw():
    depth = np.full((240, 320), 3000, np.uint16)
    depth[:100] = 1000
    depth[100:110] = 0
    orbit_camera = OrbitCamera.of(depth, camera(320, 240, fx=300), 320, 240)
    assert orbit_camera.pivot_m == 3.0
    assert orbit_camera.focal_px / (1 + STEP_BACK) == pytest.approx(300)
    assert OrbitCamera.of(np.zeros_like(depth), camera(320, 240), 320, 240).pivot_m == 1.0


def test_near_is_red_far_is_blue_and_dark_infrared_darkens():
    depth = np.array([[1000, 4000], [1000, 4000]], np.uint16)
    tiny = camera(2, 2)
    near, far = PointCloud.of(depth, tiny, None, 1000, 4000).colours[:2].astype(int)
    assert near[0] > near[2] + 50 and far[2] > far[0] + 50
    depth, infrared = np.full((40, 40), 2000, np.uint16), np.zeros((40, 40), np.uint8)
    infrared[:, 20:] = 200
    colours = PointCloud.of(depth, camera(40, 40), infrared, 1000, 4000).colours.reshape(40, 40, 3)
    assert colours[20, 5].sum() < 0.7 * colours[20, 35].sum()


def test_a_swing_goes_to_both_sides_and_its_end_joins_its_beginning():
    angles = swing_angles(40, 30.0)
    assert angles[0] == 0 and angles.max() == pytest.approx(15) and angles.min() == -angles.max()
    steps = np.abs(np.diff(np.append(angles, angles[0])))
    assert steps.max() < 2 * np.pi * 15 / 40 * 1.01


def test_a_swing_shows_the_clouds_side_by_side_and_the_same_each_time():
    clouds = [wall(2.0, RED, 0.3), wall(2.0, GREEN, 0.3), cloud()]
    pictures = list(render_orbit(clouds, ORBIT, 3, 40.0))
    assert len(pictures) == 3
    for picture in pictures:
        assert picture.shape == (121, 3 * 161, 3) and picture.dtype == np.uint8
        assert (picture[60, 80, 0] > 200) and (picture[60, 161 + 80, 1] > 200)
        assert (picture[:, 2 * 161 :] == BACKGROUND).all()
    again = list(render_orbit(clouds, ORBIT, 3, 40.0))
    assert all((one == other).all() for one, other in zip(pictures, again, strict=True))


def test_what_is_behind_the_eye_is_not_seen():
    assert (render_view(cloud((0, 0, -5), (0, 0, -0.7)), ORBIT, 0) == BACKGROUND).all()
