import threading
import time

from rs_denoise.node.handover import LatestSlot, Turn


def test_the_latest_wins_and_a_drop_is_told():
    slot = LatestSlot()
    assert not slot.put(1)
    assert slot.put(2)
    assert slot.wait() and slot.take() == 2
    assert slot.take() is None
    assert not slot.put(3)


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
    slot.close()
    assert not slot.wait() and slot.take() is None


def test_turns_come_in_the_order_of_asking_and_one_at_a_time():
    turn, order, inside = Turn(), [], []

    def work(name):
        for _ in range(3):
            with turn:
                inside.append(name)
                assert inside == [name]
                order.append(name)
                time.sleep(0.01)  # others queue up meanwhile
                inside.remove(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    with turn:
        for count, thread in enumerate(threads, 2):
            thread.start()
            while len(turn._queue) < count:
                time.sleep(0.001)
    for thread in threads:
        thread.join(10)
    assert order == list("abcabcabc")


def test_a_turn_ends_with_an_error_too():
    turn = Turn()
    try:
        with turn:
            raise ValueError
    except ValueError:
        pass
    with turn:
        pass
