import pytest
from recordings.bags.example_bags import Ros

from rs_denoise.camera_info import baseline_from_info, camera_from_info


def test_cameras_of_both_versions_of_ros():
    for ros in (Ros(1), Ros(2)):
        camera = camera_from_info(ros.info(0, fx=400.0), 0.05)
        assert (camera.fx, camera.cx, camera.width) == (400.0, 39.5, 80)
        assert baseline_from_info(ros.info(0, fx=400.0, shift=-20.0)) == pytest.approx(0.05)
        assert baseline_from_info(ros.info(0)) is None
