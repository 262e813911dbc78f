import warnings

import numpy as np
import pytest

from rs_denoise.depth import (
    MAX_DEPTH_MM,
    convert_units,
    metres_to_mm,
    round_like,
    to_depth_mm,
    to_disparity_px,
    to_uint16_mm,
)


def test_millimetres_are_rounded_and_what_uint16_cannot_represent_is_invalid():
    values = np.array([0.4, 0.6, 1000.4, 65535.4, 65535.5, 1e9, -3.0, np.nan, np.inf, -np.inf])
    assert to_uint16_mm(values).tolist() == [0, 1, 1000, 65535, 0, 0, 0, 0, 0, 0]
    assert to_uint16_mm(values.astype(np.float32)).dtype == np.uint16


def test_metres_too_large_for_float32_in_mm_are_invalid_and_not_beyond_range():
    # 0x7F800001 is a NaN that raises the processor's flag for invalid operations.
    garbage = np.array([3e35, np.finfo(np.float32).max, 1.5, np.inf, np.nan, -np.inf], np.float32)
    garbage = np.append(garbage, np.array([0x7F800001], np.uint32).view(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = metres_to_mm(garbage)
    np.testing.assert_allclose(read, [3e38, 0, 1500, np.inf, np.nan, -np.inf, np.nan], rtol=1e-6)
    assert read.dtype == np.float32


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


def test_a_finer_unit_keeps_its_precision_and_what_is_too_far_is_invalid():
    depth = np.array([[0, 1234, 32768, 65535]], np.uint16)
    same = convert_units(depth, 0.001)
    assert same.dtype == np.uint16 and same.tolist() == depth.tolist()
    fine = convert_units(depth, float(np.float32(0.0001)))
    assert fine.dtype == np.float32
    np.testing.assert_allclose(fine, [[0, 123.4, 3276.8, 6553.5]])
    far = convert_units(np.array([[100, 32767, 32768, 65535]], np.uint16), 0.002)
    assert far.dtype == np.uint16 and far.tolist() == [[200, 65534, 0, 0]]


def test_depth_is_rounded_only_if_the_camera_gave_whole_millimetres():
    depth = np.array([1234.56], np.float32)
    assert round_like(depth, np.zeros(1, np.uint16)).tolist() == [1235]
    assert round_like(depth, np.zeros(1, np.float32)).tolist() == depth.tolist()
