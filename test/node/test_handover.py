import threading
import time

from rs_denoise.node.handover import InOrder, LatestSlot, Turn


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
        for count, thread in enumerate(threads, 1):
            thread.start()
            while len(turn._waiting) < count:
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


def test_as_many_as_there_are_places_are_inside_at_once():
    turn, together = Turn(places=2), threading.Barrier(2, timeout=10)

    def work():
        with turn:
            together.wait()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not together.broken


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
