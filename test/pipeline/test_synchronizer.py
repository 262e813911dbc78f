from hypothesis import given
from hypothesis import strategies as st

from rs_denoise.pipeline.synchronizer import MAX_WAITING, FrameSynchronizer, SyncedImages

MS = 1_000_000
PERIOD = 33 * MS


def synchronizer(slop_ms=5.0, timeout_s=1.0):
    return FrameSynchronizer(int(slop_ms * MS), int(timeout_s * 1000 * MS))


def test_equal_stamps_pair_at_once_in_either_order():
    p = synchronizer(slop_ms=0)
    assert p.add_depth(100, "d", 0) == []
    assert p.add_infrared(100, "i", 0) == [SyncedImages(100, "d", "i")]
    assert p.add_infrared(200, "j", 0) == []
    assert p.add_depth(200, "e", 0) == [SyncedImages(200, "e", "j")]


def test_an_exact_partner_beats_a_nearer_arrival():
    p = synchronizer()
    p.add_infrared(97 * MS, "near", 0)
    assert p.add_depth(100 * MS, "d", 0) == []  # a better one may come
    assert p.add_infrared(100 * MS, "exact", 0) == [SyncedImages(100 * MS, "d", "exact")]


def test_the_nearest_within_the_slop_is_taken_when_nothing_nearer_can_come():
    p = synchronizer()
    p.add_infrared(96 * MS, "early", 0)
    p.add_depth(100 * MS, "d", 0)
    assert p.add_infrared(103 * MS, "late", 0) == [SyncedImages(100 * MS, "d", "late")]


def test_beyond_the_slop_nothing_pairs_and_it_is_counted():
    p = synchronizer()
    p.add_depth(100 * MS, "d", 0)
    assert p.add_infrared(106 * MS, "i", 0) == []
    assert p.unpaired == 1


def test_what_waits_when_listening_ends_is_counted():
    p = synchronizer()
    p.add_depth(100 * MS, "d", 0)
    p.restart(0)
    assert p.unpaired == 1 and p.add_infrared(100 * MS, "i", 0) == []


def test_the_exact_partner_of_another_is_not_taken_away():
    p = synchronizer(slop_ms=40)
    p.add_depth(100 * MS, "d", 0)
    p.add_depth(133 * MS, "e", 0)
    pairs = p.add_infrared(133 * MS, "i", 0)
    assert pairs == [SyncedImages(133 * MS, "e", "i")] and p.unpaired == 1


def test_infrared_at_half_rate_pairs_every_second_depth():
    p, pairs = synchronizer(), []
    for k in range(20):
        pairs += p.add_depth(k * PERIOD, f"d{k}", k * PERIOD)
        if k % 2 == 0:
            pairs += p.add_infrared(k * PERIOD, f"i{k}", k * PERIOD)
    assert [x.depth for x in pairs] == [f"d{k}" for k in range(0, 20, 2)]
    assert p.unpaired == 9  # the last odd one may still find its partner


def test_without_infrared_depth_goes_alone_after_the_timeout_and_comes_back():
    p = synchronizer(timeout_s=1.0)
    p.restart(0)
    assert p.add_depth(1, "d1", 900 * MS) == []
    alone = p.add_depth(2, "d2", 1001 * MS)
    assert alone == [SyncedImages(1, "d1", None), SyncedImages(2, "d2", None)]
    assert p.infrared_is_missing(1001 * MS)
    p.add_infrared(3, "i3", 1100 * MS)
    assert not p.infrared_is_missing(1101 * MS)
    assert p.add_depth(3, "d3", 1102 * MS) == [SyncedImages(3, "d3", "i3")]


def test_a_clock_that_jumps_back_starts_anew():
    p = synchronizer()
    for k in range(100, 103):
        p.add_depth(k * PERIOD, f"d{k}", 0)
    assert p.add_depth(0, "d0", 0) == []
    assert p.clock_jumps == 1 and p.unpaired == 3
    assert p.add_infrared(0, "i0", 0) == [SyncedImages(0, "d0", "i0")]
    assert p.add_infrared(PERIOD, "i1", 0) == []
    assert p.add_depth(PERIOD, "d1", 0) == [SyncedImages(PERIOD, "d1", "i1")]


def test_what_waits_is_bounded():
    p = synchronizer()
    for k in range(1000):
        p.add_depth(k * PERIOD, k, 0)
    assert p.unpaired == 1000 - MAX_WAITING


@given(
    st.lists(st.integers(0, 400), unique=True, max_size=40),
    st.lists(st.integers(0, 400), unique=True, max_size=40),
    st.integers(0, 20),
    st.randoms(use_true_random=False),
)
def test_pairs_are_within_the_slop_in_order_and_nothing_is_used_twice(
    depth, infrared, slop, random
):
    """Whatever the stamps and however the two streams interleave."""
    streams = [[("d", s) for s in sorted(depth)], [("i", s) for s in sorted(infrared)]]
    p, pairs = FrameSynchronizer(slop, 10**12), []
    p.restart(0)
    while any(streams):
        kind, stamp = random.choice([s for s in streams if s]).pop(0)
        add = p.add_depth if kind == "d" else p.add_infrared
        pairs += add(stamp, stamp, 0)
    assert all(abs(x.depth - x.infrared) <= slop for x in pairs)
    stamps = [x.stamp_ns for x in pairs]
    assert stamps == sorted(set(stamps))
    partners = [x.infrared for x in pairs]
    assert len(partners) == len(set(partners))
    assert len(pairs) + p.unpaired <= len(depth) and p.clock_jumps == 0


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=1, max_size=30))
def test_equal_stamps_all_pair_when_they_alternate(stamps):
    p, pairs = synchronizer(slop_ms=0), []
    for stamp in sorted(stamps):
        pairs += p.add_depth(stamp, stamp, 0) + p.add_infrared(stamp, stamp, 0)
    assert [x.stamp_ns for x in pairs] == sorted(stamps) and p.unpaired == 0


def test_after_a_pause_of_the_whole_camera_infrared_has_its_time():
    p = synchronizer(timeout_s=1.0)
    p.add_depth(0, "d", 0)
    p.add_infrared(0, "i", 0)
    later = 3000 * MS
    assert p.add_depth(later, "e", later) == []
    assert p.add_infrared(later, "j", later) == [SyncedImages(later, "e", "j")]
