"""Run lengths become the masks that they stand for."""

import numpy as np
import pytest

from outtake.annotations.run_lengths import decode_coco_counts, decode_coco_runs, runs_to_mask
from tests.masking.mask_formats import coco_string


def test_compressed_counts_are_those_of_the_reference():
    assert decode_coco_counts("1112") == [1, 1, 1, 3]  # the fourth is a difference
    for counts in ([0, 5, 3], [1, 1, 1, 3], [40, 3, 7, 900, 12000, 2, 1]):
        assert decode_coco_counts(coco_string(counts)) == counts
    for broken in ("P", "\x00"):
        with pytest.raises(ValueError, match="run lengths"):
            decode_coco_counts(broken)


def test_runs_go_down_the_columns_or_along_the_rows():
    mask = np.array([[0, 0, 1], [0, 1, 1]], bool)
    assert np.array_equal(runs_to_mask([3, 3], 2, 3, by_columns=True), mask)
    assert np.array_equal(runs_to_mask([2, 1, 1, 2], 2, 3, by_columns=False), mask)
    packed = {"size": [2, 3], "counts": coco_string([3, 3])}
    assert np.array_equal(decode_coco_runs(packed), mask)


def test_runs_that_are_not_as_long_as_the_mask_are_refused():
    for runs in ([1, 2], [-1, 21], [[20]]):
        with pytest.raises(ValueError, match="do not add up to 5x4"):
            runs_to_mask(runs, 4, 5, by_columns=True)


def test_a_few_characters_do_not_ask_for_all_memory():
    with pytest.raises(ValueError, match="60000x60000 is larger than"):
        runs_to_mask([0, 3_600_000_000], 60_000, 60_000, by_columns=True)
