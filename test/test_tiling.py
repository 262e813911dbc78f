import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_denoise.tiling import Tiling, TilingError


@st.composite
def tilings(draw):
    stride = draw(st.sampled_from([1, 8, 16, 32]))
    margin = draw(st.integers(0, 200))
    least = 2 * (-(-margin // stride) * stride) + stride
    return Tiling(draw(st.integers(least, least + 600)), margin, stride)


@given(tilings(), st.integers(1, 60), st.integers(1, 60))
def test_cores_cover_every_pixel_once(tiling, rows, columns):
    height, width = rows * tiling.stride_px, columns * tiling.stride_px
    seen = np.zeros((height, width), np.uint8)
    for tile in tiling.tiles(height, width):
        seen[tile.core_rows, tile.core_columns] += 1
        window = np.zeros((height, width), bool)[tile.rows, tile.columns]
        core = np.zeros((height, width), bool)[tile.core_rows, tile.core_columns]
        assert window[tile.kept].shape == core.shape
        assert max(window.shape) <= max(tiling.tile_px, tiling.stride_px)
    assert (seen == 1).all()


@given(tilings(), st.integers(1, 100))
def test_windows_reach_as_far_as_the_network_sees_and_lie_on_its_grid(tiling, blocks):
    length = blocks * tiling.stride_px
    for tile in tiling.tiles(length, tiling.stride_px):
        assert tile.rows.start % tiling.stride_px == 0 and tile.rows.stop % tiling.stride_px == 0
        assert tile.rows.start <= max(0, tile.core_rows.start - tiling.margin_px)
        assert tile.rows.stop >= min(length, tile.core_rows.stop + tiling.margin_px)


@given(tilings(), st.integers(1, 5000))
def test_padding_is_the_least_that_fits(tiling, size):
    padded = tiling.padded(size)
    assert padded % tiling.stride_px == 0 and 0 <= padded - size < tiling.stride_px


def test_a_frame_that_fits_is_one_tile():
    assert len(list(Tiling(1024, 160, 16).tiles(480, 848))) == 1


def test_margins_that_leave_nothing_are_refused_with_the_least_size():
    with pytest.raises(TilingError, match="at least 336 px .* got 320"):
        Tiling(320, 158, 16)


def test_sizes_off_the_grid_are_refused():
    with pytest.raises(TilingError, match="multiple of 16, got 100"):
        list(Tiling(512, 0, 16).tiles(100, 64))
