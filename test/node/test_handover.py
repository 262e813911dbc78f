import threading

from rs_denoise.node.handover import LatestSlot


def test_the_latest_wins_and_a_drop_is_told():
    slot = LatestSlot()
    assert not slot.put(1)
    assert slot.put(2)
    assert slot.take() == 2
    assert not slot.put(3)


def test_closing_wakes_who_waits():
    slot, results = LatestSlot(), []
    thread = threading.Thread(target=lambda: results.append(slot.take()))
    thread.start()
    slot.close()
    thread.join(5)
    assert results == [None] and slot.take() is None


def test_nothing_is_taken_after_closing():
    slot = LatestSlot()
    slot.put(1)
    slot.close()
    assert slot.take() is None
