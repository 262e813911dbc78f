import numpy as np
import pytest

from rs_denoise.depth import MAX_DEPTH_MM, to_depth_mm, to_disparity_px, to_uint16_mm


def test_millimetres_are_rounded_and_what_uint16_cannot_represent_is_invalid():
    values = np.array([0.4, 0.6, 1000.4, 65535.4, 65535.5, 1e9, -3.0, np.nan, np.inf, -np.inf])
    assert to_uint16_mm(values).tolist() == [0, 1, 1000, 65535, 0, 0, 0, 0, 0, 0]
    assert to_uint16_mm(values.astype(np.float32)).dtype == np.uint16


@pytest.mark.parametrize("scale", [3_500.0, 21_250.0, 70_000.0])
def test_every_depth_survives_the_way_to_disparity_and_back(scale):
    depth_mm = np.arange(MAX_DEPTH_MM, dtype=np.uint16)
    disparity_px = to_disparity_px(depth_mm, scale)
    assert disparity_px.dtype == np.float32 and disparity_px[0] == 0
    back = to_depth_mm(disparity_px, scale)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(to_uint16_mm(back), depth_mm)


def test_what_is_no_disparity_has_no_depth():
    bad = np.array([0.0, -5.0, np.nan, 0.1, 1e-30], np.float32)
    assert to_depth_mm(bad, 21_250.0).tolist() == [0] * 5
