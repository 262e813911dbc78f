import json

import numpy as np
import pytest

from rs_denoise.camera import Camera, CameraError
from scenes import camera


def test_json_round_trip_ignores_what_it_does_not_know(tmp_path):
    path = tmp_path / "camera.json"
    camera(848, 480).to_json(path, camera="D435", seed=3)
    assert json.loads(path.read_text())["camera"] == "D435"
    assert Camera.from_json(path) == camera(848, 480)


@pytest.mark.parametrize("text", ["", "[]", '{"width": 3}', '{"width": null}'])
def test_json_that_is_no_camera_names_the_file_and_what_is_wanted(tmp_path, text):
    path = tmp_path / "camera.json"
    path.write_text(text)
    with pytest.raises(CameraError, match=r"camera\.json: expected JSON with width, height, fx"):
        Camera.from_json(path)


@pytest.mark.parametrize("field", ["width", "fx", "baseline_m"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
def test_impossible_intrinsics_are_refused(field, value):
    fields = {**camera(64, 64).__dict__, field: value}
    with pytest.raises(CameraError, match=f"camera {field} must be a positive number"):
        Camera(**fields)


def test_resampling_keeps_rays():
    """A ray through a pixel's place stays the same ray: 1280x720 at 2/3, cropped by 2 columns."""
    native = Camera(1280, 720, 900.0, 900.0, 640.0, 360.0, 0.055)
    small = native.resampled(2 / 3, 2, 0, 848, 480)
    x_native, x_small = 100.25, (100.25 + 0.5) * 2 / 3 - 0.5 - 2
    assert (x_native - native.cx) / native.fx == pytest.approx((x_small - small.cx) / small.fx)
    assert small.disparity_scale_px_mm == pytest.approx(33000.0)


def test_points_lie_on_the_rays_of_their_pixels():
    camera = Camera(5, 3, 100.0, 50.0, 2.0, 1.0, 0.05)
    depth = np.zeros((3, 5), np.uint16)
    depth[1, 2], depth[0, 4] = 1000, 2000
    points = camera.points_m(depth)
    assert points.shape == (3, 5, 3) and points.dtype == np.float32
    np.testing.assert_allclose(points[1, 2], (0, 0, 1))
    np.testing.assert_allclose(points[0, 4], (0.04, -0.04, 2))
    assert np.isnan(points).all(-1).sum() == 13
