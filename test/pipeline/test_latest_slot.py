import threading

from rs_denoise.pipeline.latest_slot import LatestSlot


def test_the_latest_wins_and_a_replacement_is_reported():
    slot = LatestSlot()
    assert not slot.put(1)
    assert slot.put(2)
    assert slot.wait() and slot.take() == (0, 2)
    assert slot.take() is None
    assert not slot.put(3) and slot.take() == (1, 3)


def test_closing_wakes_whoever_waits():
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
