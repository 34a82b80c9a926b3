"""What other frames show at a pixel, and which of it is left out."""

from __future__ import annotations

import numpy as np

from outtake.masking.aligned_window import ReferenceSamples

GREY, LIGHT_GREY, RED, BLUE = (90, 90, 90), (120, 120, 120), (150, 40, 40), (30, 30, 160)


def samples_of(*colours: tuple[int, int, int]) -> ReferenceSamples:
    """Return what frames show at one pixel; black is not valid."""
    rgb = np.array(colours, np.uint8)[:, None]
    valid = rgb.any(axis=2)
    light = np.where(valid, rgb.sum(axis=2, dtype=np.int16), np.int16(-1))
    order = np.argsort(light, axis=0)
    return ReferenceSamples(
        np.dstack((rgb, valid * np.uint8(255))),
        np.take_along_axis(light, order, axis=0),
        order,
        valid.sum(axis=0),
    )


def test_samples_of_other_colours_than_most_are_left_out() -> None:
    left = samples_of(GREY, RED, LIGHT_GREY, GREY, (0, 0, 0)).without_other_colours(0.15)
    assert left.count.tolist() == [3]
    assert left.light[:, 0].tolist() == [-1, -1, 270, 270, 360]
    assert left.at_rank(np.array([4])).tolist() == [list(LIGHT_GREY)]


def test_all_stay_where_no_colour_has_a_majority() -> None:
    left = samples_of(GREY, RED, BLUE, (20, 180, 20), (0, 0, 0)).without_other_colours(0.15)
    assert left.count.tolist() == [4]
    assert left.light[:, 0].tolist() == [-1, 220, 220, 230, 270]
