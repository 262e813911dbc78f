import threading
import time
import weakref
from functools import partial

import pytest

from rs_denoise.pipeline.handover import InOrder, LatestSlot, Workers


def test_the_latest_wins_and_a_drop_is_told():
    slot = LatestSlot()
    assert not slot.put(1)
    assert slot.put(2)
    assert slot.wait() and slot.take() == (0, 2)
    assert slot.take() is None
    assert not slot.put(3) and slot.take() == (1, 3)


def test_closing_wakes_who_waits():
    slot, results = LatestSlot(), []
    thread = threading.Thread(target=lambda: results.append(slot.wait()))
    thread.start()
    slot.close()
    thread.join(5)
    assert results == [False] and slot.take() is None


def test_nothing_is_taken_after_closing():
    slot = LatestSlot()
    slot.put(1)
    assert slot.close(), "that drops one"
    assert not slot.wait() and slot.take() is None
    assert not slot.close()


def test_work_is_done_in_the_order_of_asking_and_one_at_a_time():
    workers, order, inside = Workers(), [], []
    begun, held = threading.Event(), threading.Event()

    def work(name):
        inside.append(name)
        assert inside == [name]
        order.append(name)
        time.sleep(0.01)  # others queue up meanwhile
        inside.remove(name)

    def ask(name):
        for _ in range(3):
            workers.do(lambda: work(name))

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abc"]
    blocker = threading.Thread(target=lambda: workers.do(lambda: (begun.set(), held.wait())))
    blocker.start()
    begun.wait()  # else its own asking would be counted below
    for count, thread in enumerate(threads, 1):
        thread.start()
        while workers._asked.qsize() < count:
            time.sleep(0.001)
    held.set()
    for thread in (blocker, *threads):
        thread.join(10)
    assert order == list("abcabcabc")


def test_who_asks_gets_what_came_of_it_and_an_error_hinders_nobody():
    workers = Workers()
    with pytest.raises(ZeroDivisionError):
        workers.do(lambda: 1 / 0)
    assert workers.do(lambda: 2) == 2


def test_as_many_as_there_are_workers_work_side_by_side_each_prepared():
    prepared = []
    workers = Workers(2, lambda: prepared.append(threading.get_ident()))
    together, used = threading.Barrier(2, timeout=10), []

    def work():
        together.wait()
        used.append(threading.get_ident())

    threads = [threading.Thread(target=workers.do, args=(work,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not together.broken and sorted(set(used)) == sorted(prepared)


def test_nothing_is_kept_of_what_was_done():
    workers, large = Workers(), {1}
    gone = weakref.ref(large)
    workers.do(partial(len, large))
    workers.do(lambda: None)  # the one before is done with
    del large
    assert gone() is None


def test_what_ends_early_waits_for_what_began_before():
    order, ended = InOrder(), []

    def work(number):
        try:
            with order.at(number):
                ended.append(number)
                if number == 1:
                    raise ValueError  # one that fails holds nobody up
        except ValueError:
            pass

    threads = [threading.Thread(target=work, args=(number,)) for number in (3, 2, 1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert ended == [0, 1, 2, 3]
