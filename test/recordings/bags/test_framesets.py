import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_denoise.recordings.bags.framesets import MAX_WAITING, FramesetBuilder

MS = 1_000_000


def image(number):
    return np.full((1, 1), number)


def paired(arrivals):
    """(depth, infrared) stamps in ms, of arrivals (role, stamp in ms)."""
    pairing, matches = FramesetBuilder(), []
    for role, stamp_ms in arrivals:
        matches += pairing.add(role, stamp_ms * MS, image(stamp_ms))
        assert len(pairing._depth) <= MAX_WAITING
        assert all(len(images) <= MAX_WAITING for images in pairing._others.values())
    matches += pairing.flush()
    return [(m.depth.item(), None if m.infrared is None else m.infrared.item()) for m in matches]


def test_the_nearest_infrared_within_5_ms_belongs_whichever_comes_first():
    arrivals = [("infrared", 0), ("depth", 3), ("depth", 33), ("infrared", 39), ("infrared", 31),
                ("depth", 66)]  # fmt: skip
    assert paired(arrivals) == [(3, 0), (33, 31), (66, None)]


def test_right_infrared_is_paired_as_left_infrared_is_and_apart_from_it():
    builder, framesets = FramesetBuilder(), []
    arrivals = [("right infrared", 0), ("depth", 3), ("infrared", 4), ("depth", 33),
                ("right infrared", 36), ("infrared", 50)]  # fmt: skip
    for role, stamp_ms in arrivals:
        framesets += builder.add(role, stamp_ms * MS, image(stamp_ms))
    framesets += builder.flush()
    found = [(f.infrared, f.infrared_right) for f in framesets]
    assert [[i if i is None else i.item() for i in pair] for pair in found] == [[4, 0], [None, 36]]


def test_what_comes_more_than_a_second_late_is_not_waited_for():
    pairing = FramesetBuilder()
    for role, stamp_ms in (("depth", 0), ("infrared", 33), ("infrared", 1000)):
        assert not list(pairing.add(role, stamp_ms * MS, image(0)))
    assert [m.stamp_ns for m in pairing.add("infrared", 1001 * MS, image(1))] == [0]


def test_infrared_that_goes_on_alone_does_not_push_out_the_partner_of_the_last_depth():
    infrared = [("infrared", 33 * k) for k in range(300)]
    assert paired([("depth", 0), *infrared, ("depth", 9801)]) == [(0, 0), (9801, 9801)]


@pytest.mark.parametrize("shift_ms", [2000, 10**9, -2000, -(10**9)])
def test_a_stream_of_another_clock_does_not_keep_the_others_from_each_other(shift_ms):
    start, count = 2 * 10**9, 100
    arrivals = [
        (role, start + 33 * k + shift)
        for k in range(count)
        for role, shift in (("depth", 0), ("ground truth", shift_ms), ("infrared", 2))
    ]
    assert paired(arrivals) == [(start + 33 * k, start + 33 * k + 2) for k in range(count)]


def test_a_clock_that_is_set_back_costs_no_frame():
    arrivals = [(role, t) for t in (5000, 5033, 100, 133, 5100) for role in ("depth", "infrared")]
    stamps = (5000, 5033, 100, 133, 5100)
    # An image has no partner where the clock jumps between the two.
    assert paired(arrivals) == [(stamp, stamp) for stamp in stamps]


@pytest.mark.parametrize("stamp", [0, 7])
def test_stamps_that_stand_still_take_no_more_memory_and_cost_no_frame(stamp):
    assert len(paired([("depth", stamp), ("infrared", stamp)] * 1000)) == 1000


def test_clocks_of_different_days_cost_no_frame():
    arrivals = [("depth", 33 * k) for k in range(200)]
    others = [("infrared", 10**9 + 33 * k) for k in range(200)]
    mixed = [arrival for pair in zip(arrivals, others, strict=True) for arrival in pair]
    assert paired(mixed) == [(33 * k, None) for k in range(200)]


def test_equal_stamps_are_paired_in_their_order():
    builder = FramesetBuilder()
    for k in range(300):
        role = ("infrared", "depth") if k % 2 else ("depth", "infrared")
        for name in role:
            for m in builder.add(name, 7, image(k)):
                assert m.infrared.item() == m.depth.item()
    for m in builder.flush():
        assert m.infrared.item() == m.depth.item()


def test_an_infrared_image_belongs_to_one_depth_image():
    assert paired([("depth", 0), ("depth", 0), ("infrared", 0)]) == [(0, 0), (0, None)]
    assert paired([("depth", 0), ("depth", 3), ("infrared", 3)]) == [(0, None), (3, 3)]


@given(st.lists(st.tuples(st.sampled_from(["depth", "infrared", "right infrared", "ground truth"]),
                          st.integers(0, 3000)), max_size=300))  # fmt: skip
def test_every_depth_image_comes_out_once_in_its_order(arrivals):
    depths = [stamp for role, stamp in arrivals if role == "depth"]
    result = paired(arrivals)
    assert [depth for depth, _ in result] == depths
    assert all(infrared is None or abs(infrared - depth) <= 5 for depth, infrared in result)
