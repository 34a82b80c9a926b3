import time

import pytest

from outtake.core.parallel import map_threads


@pytest.mark.parametrize("threads", [1, 4])
def test_results_keep_the_order_of_the_items(threads):
    def slow_first(number):
        time.sleep(0.002 * (10 - number))
        return number * number

    results = map_threads(slow_first, range(10), threads=threads, title="Squaring")
    assert results == [number * number for number in range(10)]


def test_after_an_error_the_rest_is_dropped():
    done = []

    def fail_at_once(number):
        if number == 0:
            raise ValueError("zero")
        time.sleep(0.01)
        done.append(number)

    with pytest.raises(ValueError, match="zero"):
        map_threads(fail_at_once, range(200), threads=2, title="Failing")
    assert len(done) < 100


def test_nothing_is_printed_where_there_is_no_terminal(capfd):
    map_threads(lambda _: time.sleep(0.6), range(3), threads=1, title="Waiting")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
