import pytest

from outtake.masking.frame_window import sliding_windows


@pytest.mark.parametrize("count", [0, 1, 2, 5, 9])
@pytest.mark.parametrize("reach", [0, 1, 3])
def test_each_item_comes_with_its_neighbours(count, reach):
    found = [
        (list(window), window[centre]) for window, centre in sliding_windows(range(count), reach)
    ]
    assert found == [
        (list(range(max(0, item - reach), min(count, item + reach + 1))), item)
        for item in range(count)
    ]


def test_it_reads_no_further_ahead_than_it_reaches():
    items = iter(range(100))
    next(sliding_windows(items, 3))
    assert next(items) == 4
