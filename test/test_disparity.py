import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rs_denoise.disparity import depth_to_disparity, disparity_to_depth


@given(st.integers(1, 65535), st.floats(3_000, 70_000))
def test_there_and_back_is_the_same_millimetre(depth_mm, scale):
    depth = torch.tensor([depth_mm])
    back = disparity_to_depth(depth_to_disparity(depth, scale), scale)
    # At the far end of uint16 rounding may leave its range, which is invalid, never another depth.
    assert round(float(back)) == depth_mm or (depth_mm > 65_000 and float(back) == 0)


def test_formula():
    assert float(depth_to_disparity(torch.tensor([2000]), 21_250.0)) == pytest.approx(10.625)


def test_what_is_no_depth_has_no_disparity():
    bad = torch.tensor([0.0, -5.0, np.nan, np.inf, -np.inf])
    assert depth_to_disparity(bad, 21_250.0).tolist() == [0] * 5


def test_what_is_no_disparity_has_no_depth():
    bad = torch.tensor([0.0, -5.0, np.nan, 0.1, np.inf])
    assert disparity_to_depth(bad, 21_250.0).tolist() == [0] * 5
