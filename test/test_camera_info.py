import dataclasses

import numpy as np
import pytest
from recordings.bags.example_bags import Ros

from rs_denoise.camera import Camera
from rs_denoise.camera_info import baseline_from_info


def test_cameras_of_both_versions_of_ros():
    for ros in (Ros(1), Ros(2)):
        camera = Camera.from_camera_info(ros.info(0, fx=400.0), 0.05)
        assert (camera.fx, camera.cx, camera.width) == (400.0, 39.5, 80)
        assert baseline_from_info(ros.info(0, fx=400.0, shift=-20.0)) == pytest.approx(0.05)
        assert baseline_from_info(ros.info(0)) is None


def test_rectified_images_are_described_by_p_and_by_k_only_where_p_is_missing():
    for ros in (Ros(1), Ros(2)):
        info = ros.info(0, fx=400.0)
        p = np.array([390.0, 0, 41, 0, 0, 391, 30, 0, 0, 0, 1, 0])
        names = ("P", "K") if ros.version == 1 else ("p", "k")
        unlike = Camera.from_camera_info(dataclasses.replace(info, **{names[0]: p}), 0.05)
        assert (unlike.fx, unlike.fy, unlike.cx, unlike.cy) == (390, 391, 41, 30)
        no_k = dataclasses.replace(info, **{names[0]: p, names[1]: np.zeros(9)})
        assert Camera.from_camera_info(no_k, 0.05) == unlike
        no_p = Camera.from_camera_info(dataclasses.replace(info, **{names[0]: np.zeros(12)}), 0.05)
        assert (no_p.fx, no_p.fy, no_p.cx, no_p.cy) == (400, 400, 39.5, 31.5)


@pytest.mark.parametrize("shift", [0.0, 20.0, -0.0, float("nan"), -1e9])
def test_what_is_no_baseline(shift):
    for ros in (Ros(1), Ros(2)):
        assert baseline_from_info(ros.info(0, fx=400.0, shift=shift)) is None


def test_the_baseline_is_the_callers_or_the_topics_or_assumed_with_a_warning():
    info = Ros(2).info(0, fx=400.0, shift=-20.0)
    assert Camera.from_camera_info(info).baseline_m == pytest.approx(0.05)
    assert Camera.from_camera_info(info, 0.095).baseline_m == 0.095
    with pytest.warns(UserWarning, match="0.05 m is assumed, a D435's; give baseline_m"):
        assert Camera.from_camera_info(Ros(2).info(0)).baseline_m == 0.05
