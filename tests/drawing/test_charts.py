from __future__ import annotations

import numpy as np
import pytest

from outtake.drawing.charts import draw_bar_chart, draw_confusion_matrix, normalise_rows


def test_each_row_is_divided_by_its_own_sum() -> None:
    shares = normalise_rows(np.array([[6, 2], [0, 0]]))
    assert shares[0].tolist() == [0.75, 0.25] and np.isnan(shares[1]).all()


def colours(sheet: np.ndarray) -> dict[tuple[int, ...], int]:
    values, counts = np.unique(sheet.reshape(-1, 3), axis=0, return_counts=True)
    return {tuple(map(int, v)): int(c) for v, c in zip(values, counts, strict=True)}


def test_a_cell_is_the_darker_the_larger_its_share() -> None:
    confusion = np.array([[100, 0, 0], [25, 75, 0], [0, 0, 0]])
    found = colours(draw_confusion_matrix(confusion, ["a", "b", "c"], "title"))
    cell = 63 * 63
    # 100 per cent, one cell; a third of its white is the number in it, at most.
    assert cell * 0.8 < found[(22, 66, 132)] <= cell
    half = tuple(round(0.5 * full + 0.5 * 255) for full in (22, 66, 132))  # the root of 25%
    assert cell * 0.8 < found[half] <= cell
    assert found[(225, 225, 222)] >= 3 * cell, "a class that is not there has a grey row"
    assert 3 * cell <= found[(255, 255, 255)], "no share is white"


@pytest.mark.parametrize("count", [2, 32, 150])
def test_any_number_of_classes_and_any_name_fits(count: int) -> None:
    names = [f"a very long name of a class, number {i}" for i in range(count)]
    confusion = np.eye(count, dtype=np.int64)
    sheet = draw_confusion_matrix(confusion, names, "t" * 200)
    assert sheet.dtype == np.uint8 and max(sheet.shape) < 1800
    dark = (sheet == (22, 66, 132)).all(-1)
    rows, columns = np.nonzero(dark)
    assert len(np.unique(rows)) >= 8 * count, "every diagonal cell is drawn"
    # As exactly as one step a class allows.
    assert np.corrcoef(rows, columns)[0, 1] > 1 - 1.2 / count**2


def test_bars_are_as_long_as_their_shares() -> None:
    shares = {"train": [0.5, 0.25], "val": [0.0, 0.1]}
    sheet = draw_bar_chart(shares, ["sky", "car"], [(200, 10, 10), (10, 10, 200)], "Share")
    lengths = {
        name: int((sheet == colour).all(-1).sum(1).max())
        for name, colour in (("sky", (200, 10, 10)), ("car", (10, 10, 200)))
    }
    assert lengths["sky"] == 420 and lengths["car"] == 210
    paler = tuple(round(c / 1.8 + (1 - 1 / 1.8) * 250) for c in (10, 10, 200))
    assert int((sheet == paler).all(-1).sum(1).max()) == 84


def test_bars_of_nothing_are_no_error() -> None:
    assert draw_bar_chart({"train": [0.0, 0.0]}, ["a", "b"], [(1, 2, 3)] * 2, "").shape[2] == 3
