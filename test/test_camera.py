import json

import numpy as np
import pytest

from rs_denoise.camera import Camera, CameraError
from scenes import camera


def test_json_round_trip_ignores_what_it_does_not_know(tmp_path):
    path = tmp_path / "camera.json"
    camera(848, 480).to_file(path, camera="D435", seed=3)
    assert json.loads(path.read_text())["camera"] == "D435"
    assert Camera.from_file(path) == camera(848, 480)


def test_a_camera_of_numpys_numbers_is_written(tmp_path):
    matrix = np.array([[425, 0, 423.5], [0, 425, 239.5], [0, 0, 1]], np.float32)
    given = Camera(np.int64(848), np.int64(480), matrix[0, 0], matrix[1, 1], *matrix[:2, 2], 0.05)
    given.to_file(tmp_path / "camera.json")
    assert Camera.from_file(tmp_path / "camera.json") == given


@pytest.mark.parametrize("text", ["", "[]", '{"width": 3}', '{"width": null}'])
def test_json_that_is_no_camera_names_the_file_and_what_is_wanted(tmp_path, text):
    path = tmp_path / "camera.json"
    path.write_text(text)
    with pytest.raises(CameraError, match=r"camera\.json: expected JSON with width, height, fx"):
        Camera.from_file(path)


@pytest.mark.parametrize("field", ["width", "fx", "baseline_m"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
def test_impossible_intrinsics_are_refused(field, value):
    fields = {**camera(64, 64).__dict__, field: value}
    with pytest.raises(CameraError, match=f"camera {field} must be a positive number"):
        Camera(**fields)


def test_a_baseline_in_millimetres_is_refused():
    """With 50 m every pixel would be nearer than half the baseline, so invalid."""
    with pytest.raises(CameraError, match=r"at most 1 m, got 50\.0: is it in millimetres"):
        Camera(848, 480, 425.0, 425.0, 423.5, 239.5, 50.0)


@pytest.mark.parametrize("value, message", [
    ("64", "camera width must be a number, got '64'"), (64.5, "must be whole numbers of pixels"),
])  # fmt: skip
def test_a_width_that_is_no_whole_number_is_refused(value, message):
    with pytest.raises(CameraError, match=message):
        Camera(**{**camera(64, 64).__dict__, "width": value})


def test_resampling_keeps_rays():
    """A ray through a pixel's place stays the same ray: 1280x720 without 4 columns, at 2/3."""
    native = Camera(1280, 720, 900.0, 900.0, 640.0, 360.0, 0.055)
    small = native.cropped(4, 0, 1272, 720).scaled(848, 480)
    x_native, x_small = 100.25, (100.25 - 4 + 0.5) * 2 / 3 - 0.5
    assert (x_native - native.cx) / native.fx == pytest.approx((x_small - small.cx) / small.fx)
    assert small.disparity_scale_px_mm == pytest.approx(33000.0)


@pytest.mark.parametrize("name, fx, baseline_m", [
    ("d405", 430, 0.018), ("d415", 600, 0.055), ("d435", 425, 0.05), ("d455", 428, 0.095),
])  # fmt: skip
def test_cameras_by_the_name_of_their_model(name, fx, baseline_m):
    typical = getattr(Camera, name)()
    assert typical == Camera(848, 480, fx, fx, 423.5, 239.5, baseline_m)
    assert typical == Camera.of_model(name, 848, 480)
    assert getattr(Camera, name)(424, 240).fx == pytest.approx(fx / 2)


def test_the_profile_of_a_camera_decides_its_focal_length():
    """640x480 is cut out of the imager, so it sees less to the sides than 640x360."""
    assert Camera.d435(1280, 720).fx == pytest.approx(637.5)
    assert Camera.d435(640, 480).fx == pytest.approx(382.5)
    assert Camera.d435(640, 360).fx == pytest.approx(318.75)


def test_a_profile_or_model_that_no_camera_has_is_refused_with_those_there_are():
    with pytest.raises(CameraError, match=r"D435 streams 1280x720, 848x480.*got 800x600"):
        Camera.d435(800, 600)
    with pytest.raises(CameraError, match=r"of d405, d415, d435, d435i, d455, got 'kinect'"):
        Camera.of_model("kinect")


def test_a_file_is_named_by_path_or_text(tmp_path):
    path = tmp_path / "camera.json"
    Camera.d455().to_file(path)
    assert Camera.from_file(path) == Camera.from_file(str(path)) == Camera.d455()
    with pytest.raises(CameraError, match="missing.json"):
        Camera.from_file("missing.json")


def test_points_lie_on_the_rays_of_their_pixels():
    camera = Camera(5, 3, 100.0, 50.0, 2.0, 1.0, 0.05)
    depth = np.zeros((3, 5), np.uint16)
    depth[1, 2], depth[0, 4] = 1000, 2000
    points = camera.points_m(depth)
    assert points.shape == (3, 5, 3) and points.dtype == np.float32
    np.testing.assert_allclose(points[1, 2], (0, 0, 1))
    np.testing.assert_allclose(points[0, 4], (0.04, -0.04, 2))
    assert np.isnan(points).all(-1).sum() == 13
