from hypothesis import given
from hypothesis import strategies as st

from rs_denoise.pipeline.infrared_buffer import MAX_WAITING
from rs_denoise.pipeline.synchronizer import FrameSynchronizer, SyncedImages, SyncSettings

MS = 1_000_000
PERIOD = 33 * MS


def synchronizer(
    slop_ms=5.0, timeout_s=1.0, right_wait_ms=None, depth_only=True, use_infrared=True
):
    right_wait_ns = None if right_wait_ms is None else right_wait_ms * MS
    return FrameSynchronizer(
        SyncSettings(
            int(slop_ms * MS),
            int(timeout_s * 1000 * MS),
            depth_only,
            use_infrared,
            right_wait_ns,
        )
    )


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
    assert p.counts.unpaired == 1


def test_what_waits_when_listening_ends_is_counted():
    p = synchronizer()
    p.add_depth(100 * MS, "d", 0)
    p.restart(0)
    assert p.counts.unpaired == 1 and p.add_infrared(100 * MS, "i", 0) == []


def test_the_exact_partner_of_another_is_not_taken_away():
    p = synchronizer(slop_ms=40)
    p.add_depth(100 * MS, "d", 0)
    p.add_depth(133 * MS, "e", 0)
    pairs = p.add_infrared(133 * MS, "i", 0)
    assert pairs == [SyncedImages(133 * MS, "e", "i")] and p.counts.unpaired == 1


def test_infrared_at_half_rate_pairs_every_second_depth():
    p, pairs = synchronizer(), []
    for k in range(20):
        pairs += p.add_depth(k * PERIOD, f"d{k}", k * PERIOD)
        if k % 2 == 0:
            pairs += p.add_infrared(k * PERIOD, f"i{k}", k * PERIOD)
    assert [x.depth for x in pairs] == [f"d{k}" for k in range(0, 20, 2)]
    assert p.counts.unpaired == 9  # the last odd one may still find its partner


def test_without_infrared_depth_goes_alone_after_the_timeout_and_comes_back():
    p = synchronizer(timeout_s=1.0)
    p.restart(0)
    assert p.add_depth(1, "d1", 900 * MS) == []
    alone = p.add_depth(2, "d2", 1001 * MS)
    assert alone == [SyncedImages(1, "d1", None), SyncedImages(2, "d2", None)]
    assert p.infrared_is_missing
    p.add_infrared(3, "i3", 1100 * MS)
    assert not p.infrared_is_missing
    assert p.add_depth(3, "d3", 1102 * MS) == [SyncedImages(3, "d3", "i3")]


def test_a_clock_that_jumps_back_starts_anew():
    p = synchronizer()
    for k in range(100, 103):
        p.add_depth(k * PERIOD, f"d{k}", 0)
    assert p.add_depth(0, "d0", 0) == []
    assert p.counts.clock_jumps == 1 and p.counts.unpaired == 3
    assert p.add_infrared(0, "i0", 0) == [SyncedImages(0, "d0", "i0")]
    assert p.add_infrared(PERIOD, "i1", 0) == []
    assert p.add_depth(PERIOD, "d1", 0) == [SyncedImages(PERIOD, "d1", "i1")]


def test_what_waits_is_bounded():
    p = synchronizer()
    for k in range(1000):
        p.add_depth(k * PERIOD, k, 0)
    assert p.counts.unpaired == 1000 - MAX_WAITING


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
    p, pairs = FrameSynchronizer(SyncSettings(slop, 10**12)), []
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
    assert len(pairs) + p.counts.unpaired <= len(depth) and p.counts.clock_jumps == 0


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=1, max_size=30))
def test_equal_stamps_all_pair_when_they_alternate(stamps):
    p, pairs = synchronizer(slop_ms=0), []
    for stamp in sorted(stamps):
        pairs += p.add_depth(stamp, stamp, 0) + p.add_infrared(stamp, stamp, 0)
    assert [x.stamp_ns for x in pairs] == sorted(stamps) and p.counts.unpaired == 0


def test_after_a_pause_of_the_whole_camera_infrared_has_its_time():
    p = synchronizer(timeout_s=1.0)
    p.add_depth(0, "d", 0)
    p.add_infrared(0, "i", 0)
    later = 3000 * MS
    assert p.add_depth(later, "e", later) == []
    assert p.add_infrared(later, "j", later) == [SyncedImages(later, "e", "j")]


def test_depth_that_arrives_more_rarely_than_the_timeout_goes_alone_too():
    p, out = synchronizer(timeout_s=0.2), []
    p.restart(0)
    for k in range(1, 11):
        out += p.add_depth(k * 210 * MS, k, k * 210 * MS)
        assert p.infrared_is_missing == (k > 1)
    assert [x.depth for x in out] == list(range(1, 11)) and {x.infrared for x in out} == {None}
    now = 11 * 210 * MS
    p.add_depth(now, "d", now)
    assert not p.add_infrared(now, "i", now) and not p.infrared_is_missing, "infrared is back"


def test_depth_and_infrared_that_arrive_more_rarely_than_the_timeout_are_paired():
    p, out = synchronizer(timeout_s=0.2), []
    for k in range(1, 11):
        now = k * 210 * MS
        out += p.add_depth(now, k, now) + p.add_infrared(now, "i", now + MS)
    assert [(x.depth, x.infrared) for x in out] == [(k, "i") for k in range(1, 11)]


def test_while_the_whole_camera_is_silent_infrared_is_not_missing():
    p = synchronizer(timeout_s=1.0, right_wait_ms=20)
    p.restart(0)
    assert not p.infrared_is_missing and not p.right_is_missing, "before the first image"
    play(p, 30, right=lambda k: True)
    p.take_complete(5000 * MS)
    assert not p.infrared_is_missing and not p.right_is_missing
    assert p.infrared_arrives and p.right_arrives


def test_where_infrared_is_not_used_depth_goes_alone_at_once():
    p = synchronizer(depth_only=False, use_infrared=False)
    out = []
    for k in range(10):
        out += p.add_depth(k * PERIOD, k, k * PERIOD)
        assert len(out) == k + 1
        if k % 2 == 0:
            assert not p.add_infrared(k * PERIOD, "i", k * PERIOD)
    assert {x.infrared for x in out} == {None}
    assert (p.counts.alone, p.counts.unpaired) == (10, 0)


# Infrared that comes but does not match ----------------------------------------------------------


def test_infrared_that_never_matches_is_missing_after_the_timeout():
    """As with an emitter that alternates: depth and infrared of two different moments."""
    p, out = synchronizer(timeout_s=1.0), []
    for k in range(90):
        now = k * PERIOD
        out += p.add_depth(now, k, now) + p.add_infrared(now + PERIOD // 2, "i", now + PERIOD // 2)
    assert p.infrared_is_missing and p.infrared_arrives
    assert [x.depth for x in out] == list(range(31, 90)) and {x.infrared for x in out} == {None}
    assert (p.counts.alone, p.counts.unpaired, p.counts.paired) == (59, 31, 0)


def test_infrared_that_matches_again_is_used_again():
    p, out = synchronizer(timeout_s=1.0), []
    for k in range(90):
        now, shift = k * PERIOD, PERIOD // 2 if k < 60 else 0
        out += p.add_depth(now, k, now) + p.add_infrared(now + shift, "i", now + shift)
    assert [x.depth for x in out if x.infrared] == list(range(61, 90))
    assert not p.infrared_is_missing


def test_infrared_ahead_by_hours_does_not_silence_depth():
    p, out = synchronizer(timeout_s=1.0), []
    for k in range(90):
        now = k * PERIOD
        out += p.add_infrared(now + 10**13, "i", now) + p.add_depth(now, k, now)
    assert [x.depth for x in out] == list(range(31, 90))


def test_depth_does_not_go_alone_where_that_is_not_wanted():
    p = synchronizer(depth_only=False)
    assert not [x for k in range(90) for x in p.add_depth(k * PERIOD, k, k * PERIOD)]
    p.restart(90 * PERIOD)
    assert p.counts.unpaired == 90 and p.counts.alone == 0


# Right infrared ----------------------------------------------------------------------------------

TRIPLE = SyncedImages(100 * MS, "d", "i", "r")
PAIR = SyncedImages(100 * MS, "d", "i", None)


@given(st.permutations(["d", "i", "r"]))
def test_three_images_form_a_group_in_whatever_order_they_arrive(order):
    p, out = synchronizer(right_wait_ms=20), []
    for name in order:
        assert not out
        out += adder(p, name)(100 * MS, name, 0)
    assert out == [TRIPLE] and p.counts.paired == 1 and p.counts.without_right == 0


def adder(p, name):
    return {"d": p.add_depth, "i": p.add_infrared, "r": p.add_infrared_right}[name]


def test_where_it_is_not_used_nothing_waits_for_it():
    p = synchronizer()
    p.add_depth(100 * MS, "d", 0)
    assert p.add_infrared(100 * MS, "i", 0) == [PAIR] and not p.awaits_right
    assert p.counts.without_right == 0


def test_a_pair_waits_for_right_infrared_no_longer_than_declared():
    p = synchronizer(right_wait_ms=20)
    p.add_depth(100 * MS, "d", 0)
    assert p.add_infrared(100 * MS, "i", 5 * MS) == [] and p.awaits_right
    assert p.take_complete(24 * MS) == []
    assert p.take_complete(25 * MS) == [PAIR] and not p.awaits_right
    assert p.counts.without_right == 1


def test_the_nearest_right_image_is_taken_when_the_wait_ends():
    p = synchronizer(right_wait_ms=20)
    p.add_infrared_right(97 * MS, "r", 0)
    p.add_depth(100 * MS, "d", 0)
    assert p.add_infrared(100 * MS, "i", 0) == []  # an exact one may come
    assert p.take_complete(20 * MS) == [TRIPLE]


def test_a_later_right_image_decides_at_once():
    p = synchronizer(right_wait_ms=20)
    p.add_depth(100 * MS, "d", 0)
    p.add_infrared(100 * MS, "i", 0)
    assert p.add_infrared_right(133 * MS, "r", 1 * MS) == [PAIR]


def test_a_pair_does_not_wait_once_the_next_one_is_complete():
    p = synchronizer(right_wait_ms=500)
    p.add_depth(100 * MS, "d", 0)
    p.add_infrared(100 * MS, "i", 0)
    p.add_depth(133 * MS, "e", 33 * MS)
    assert p.add_infrared(133 * MS, "j", 33 * MS) == [PAIR] and p.awaits_right
    assert p.add_infrared_right(133 * MS, "r", 34 * MS) == [SyncedImages(133 * MS, "e", "j", "r")]


def play(p, count, right, left=lambda k: True, delay_ns=1 * MS):
    """A camera of 30 Hz: the groups, each with its delay after its pair was complete."""
    out = []
    for k in range(count):
        stamp = k * PERIOD
        out += [(x, stamp) for x in p.add_depth(stamp, k, stamp)]
        if left(k):
            out += [(x, stamp) for x in p.add_infrared(stamp, "i", stamp)]
        for now in range(stamp + MS, stamp + PERIOD, MS):
            if right(k) and now == stamp + delay_ns:
                out += [(x, now) for x in p.add_infrared_right(stamp, "r", now)]
            out += [(x, now) for x in p.take_complete(now)]
    return [(x, now - x.stamp_ns) for x, now in out]


def test_while_right_infrared_is_missing_no_pair_waits():
    p = synchronizer(right_wait_ms=20)
    out = play(p, 120, right=lambda k: not 30 <= k < 90)
    assert [x.depth for x, _ in out] == list(range(120)), "no pair is lost"
    assert [x.depth for x, _ in out if x.infrared_right is None] == list(range(30, 91))
    delays = {x.depth: delay for x, delay in out}
    assert max(delays.values()) == 20 * MS
    assert {delays[k] for k in range(61, 91)} == {0}, "after the timeout"
    assert p.right_was_paired and not p.right_is_missing
    assert p.counts.without_right == 61


def test_right_infrared_that_is_always_late_is_missing():
    p = synchronizer(right_wait_ms=20)
    out = play(p, 90, right=lambda k: True, delay_ns=25 * MS)
    assert all(x.infrared_right is None for x, _ in out) and len(out) == 90
    assert {delay for x, delay in out if x.depth > 31} == {0}
    assert p.right_is_missing and p.right_arrives and not p.right_was_paired


def test_right_infrared_at_half_rate_serves_every_second_pair():
    p = synchronizer(right_wait_ms=20)
    out = play(p, 60, right=lambda k: k % 2 == 0)
    assert [x.depth for x, _ in out if x.infrared_right] == list(range(0, 60, 2))
    assert [x.depth for x, _ in out] == list(range(60))


def test_depth_alone_does_not_wait_for_right_infrared():
    p = synchronizer(right_wait_ms=20)
    out = play(p, 60, right=lambda k: True, left=lambda k: False)
    alone = [(x, delay) for x, delay in out if x.depth > 31]
    assert alone and all(x.infrared_right is None and delay == 0 for x, delay in alone)


def test_right_infrared_whose_clock_jumps_back_costs_no_pair():
    p = synchronizer(right_wait_ms=20)
    p.add_infrared_right(10**15, "r", 0)
    p.add_depth(100 * MS, "d", 0)
    p.add_infrared_right(0, "r", 0)
    out = p.add_infrared(100 * MS, "i", 0) or p.take_complete(20 * MS)
    assert out == [PAIR] and p.counts.clock_jumps == 1 and p.counts.unpaired == 0


@given(
    *[st.lists(st.integers(0, 400), unique=True, max_size=30)] * 3,
    st.integers(0, 20),
    st.randoms(use_true_random=False),
)
def test_right_infrared_never_changes_which_pairs_form(depth, infrared, right, slop, random):
    streams = [[(n, s) for s in sorted(stamps)]
               for n, stamps in zip("dir", (depth, infrared, right), strict=True)]  # fmt: skip
    two = FrameSynchronizer(SyncSettings(slop, 10**12))
    three = FrameSynchronizer(SyncSettings(slop, 10**12, right_wait_ns=10))
    pairs, groups, now = [], [], 0
    while any(streams):
        now += random.randint(0, 5)
        name, stamp = random.choice([s for s in streams if s]).pop(0)
        groups += adder(three, name)(stamp, stamp, now)
        if name != "r":
            pairs += adder(two, name)(stamp, stamp, now)
    groups += three.take_complete(now + 10)
    assert [(x.depth, x.infrared) for x in groups] == [(x.depth, x.infrared) for x in pairs]
    used = [x.infrared_right for x in groups if x.infrared_right is not None]
    assert len(used) == len(set(used))
    assert all(abs(x.stamp_ns - x.infrared_right) <= slop for x in groups
               if x.infrared_right is not None)  # fmt: skip
    assert three.counts.without_right == len(groups) - len(used)
