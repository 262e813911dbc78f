import pytest

from rs_denoise.model import Model
from rs_denoise.pipeline import tile_size
from rs_denoise.pipeline.tile_size import RETRY_AFTER_S, TileSize, TilingCost, next_smaller_tiling
from rs_denoise.tiling import Tiling


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(tile_size.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("width", "height"), [(848, 480), (640, 480), (1280, 720), (424, 240), (640, 360)]
)
@pytest.mark.parametrize("name", ["unet", "unet-tiny"])
def test_each_smaller_tiling_needs_less_memory_and_none_more_than_three_times_the_work(
    name, width, height
):
    manifest = Model.load(name, "cpu", "float32").manifest
    tiling = Tiling(1536, manifest.receptive_field_px, manifest.stride_px)
    costs = [TilingCost.of(tiling, height, width)]
    assert costs[0].overhead == costs[0].tiles == 1
    while (smaller := next_smaller_tiling(tiling, height, width)) is not None:
        tiling = smaller
        costs.append(TilingCost.of(tiling, height, width))
        assert costs[-1].window_px <= 0.9 * costs[-2].window_px
        assert costs[-2].overhead < costs[-1].overhead <= 3


def test_the_first_split_of_a_frame_is_in_two_halves():
    """Half of 1536 px would be three columns; half of that, 112 tiles of 27 times the work."""
    smaller = next_smaller_tiling(Tiling(1536, 147, 16), 480, 848)
    cost = TilingCost.of(smaller, 480, 848)
    assert cost.tiles == 2 and cost.overhead < 1.4 and cost.window_px < 0.71 * 480 * 848


def test_larger_tiles_are_attempted_again_ever_more_rarely(clock):
    size = TileSize(1536)
    assert size.take() == 1536 and not size.recovers(1536)
    size.reduce(592)
    assert size.take() == 592
    for wait_s in (RETRY_AFTER_S, 2 * RETRY_AFTER_S, 4 * RETRY_AFTER_S):
        clock[0] += wait_s - 1
        assert size.take() == 592
        clock[0] += 2
        assert size.take() == 1536
        assert size.recovers(1536), "the frame is computed again, in the size before"
        assert size.recovers(1536), "so is another one that was in progress"
        assert size.take() == 592
    clock[0] += 9 * RETRY_AFTER_S
    assert size.take() == size.take() == 1536, "the attempt succeeded"


def test_a_size_that_fits_no_longer_is_reduced_further(clock):
    size = TileSize(1536)
    size.reduce(592)
    assert not size.recovers(592)
    size.reduce(512)
    assert size.take() == 512
