import threading
import time

import pytest

from rs_denoise.recordings.map_ahead import map_ahead


def test_results_come_in_order_whatever_takes_longer():
    def decode(number):
        time.sleep(0.002 * (number % 3 == 0))
        return number * number

    assert list(map_ahead(decode, range(50))) == [n * n for n in range(50)]
    assert list(map_ahead(decode, [])) == []


def test_it_decodes_while_the_caller_works_and_no_more_than_it_may():
    taken, closed, decoded = [], [], threading.Semaphore(0)

    def items():
        try:
            for number in range(100):
                taken.append(number)
                yield number
        finally:
            closed.append(True)

    def decode(number):
        decoded.release()
        return number

    results = map_ahead(decode, items(), ahead=5)
    for number in range(3):
        assert next(results) == number
        assert len(taken) <= number + 5
    # Without another call the rest of the five is decoded.
    for _ in range(6):
        assert decoded.acquire(timeout=10)
    results.close()
    assert len(taken) <= 8 and closed


def test_an_error_comes_in_its_place_and_ends_it():
    def items():
        yield from range(4)
        raise OSError("the disk is gone")

    seen = []
    with pytest.raises(OSError, match="the disk is gone"):
        seen.extend(iter(map_ahead(str, items(), ahead=9)))
    results = map_ahead(str, items(), ahead=9)
    assert [next(results) for _ in range(4)] == ["0", "1", "2", "3"]

    def decode(number):
        return 1 // (number - 2)

    results = map_ahead(decode, range(9))
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not [t for t in threading.enumerate() if t.name.startswith("map_ahead")]
