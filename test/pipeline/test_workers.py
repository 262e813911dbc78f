import threading
import time
import weakref
from functools import partial

import pytest

from rs_denoise.pipeline.workers import Workers


def test_functions_run_in_the_order_of_calls_and_one_at_a_time():
    workers, order, running = Workers(), [], []
    begun, held = threading.Event(), threading.Event()

    def work(name):
        running.append(name)
        assert running == [name]
        order.append(name)
        others = min(2, 9 - len(order))  # that have calls to come; they queue up meanwhile
        while workers._queue.qsize() < others:
            time.sleep(0.001)
        running.remove(name)

    def call_three_times(name):
        for _ in range(3):
            workers.run(lambda: work(name))

    threads = [threading.Thread(target=call_three_times, args=(name,)) for name in "abc"]
    blocker = threading.Thread(target=lambda: workers.run(lambda: (begun.set(), held.wait())))
    blocker.start()
    begun.wait()  # otherwise the blocker's own call would be counted below
    for count, thread in enumerate(threads, 1):
        thread.start()
        while workers._queue.qsize() < count:
            time.sleep(0.001)
    held.set()
    for thread in (blocker, *threads):
        thread.join(60)
    assert order == list("abcabcabc")


def test_the_caller_gets_the_result_or_the_error_and_the_worker_goes_on():
    workers = Workers()
    with pytest.raises(ZeroDivisionError):
        workers.run(lambda: 1 / 0)
    assert workers.run(lambda: 2) == 2


def test_all_workers_run_concurrently_and_each_is_prepared():
    prepared = []
    workers = Workers(2, lambda: prepared.append(threading.get_ident()))
    together, used = threading.Barrier(2, timeout=10), []

    def work():
        together.wait()
        used.append(threading.get_ident())

    threads = [threading.Thread(target=workers.run, args=(work,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not together.broken and sorted(set(used)) == sorted(prepared)


def test_a_function_runs_in_each_worker_whoever_else_asks():
    workers, ran = Workers(3), []

    def note():
        ran.append(threading.get_ident())
        time.sleep(0.01)

    callers = [threading.Thread(target=workers.run_in_each, args=(note,)) for _ in range(4)]
    for caller in callers:
        caller.start()
    workers.run(lambda: None)
    for caller in callers:
        caller.join(10)
    assert sorted(ran.count(thread) for thread in set(ran)) == [4, 4, 4]
    with pytest.raises(ZeroDivisionError):
        workers.run_in_each(lambda: 1 / 0)


def test_nothing_of_a_function_is_kept_after_it_ran():
    workers, large = Workers(), {1}
    reference = weakref.ref(large)
    workers.run(partial(len, large))
    workers.run(lambda: None)  # the one before is finished
    del large
    assert reference() is None
