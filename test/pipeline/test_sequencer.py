import threading

from rs_denoise.pipeline.sequencer import Sequencer


def test_a_later_number_waits_for_all_earlier_ones():
    sequencer, order = Sequencer(), []

    def pass_through(number):
        try:
            with sequencer.turn(number):
                order.append(number)
                if number == 1:
                    raise ValueError  # an error does not hold up the others
        except ValueError:
            pass

    threads = [threading.Thread(target=pass_through, args=(n,)) for n in (3, 2, 1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3]
