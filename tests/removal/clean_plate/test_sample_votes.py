from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.clean_plate.sample_medians import STEPS_PER_GREY
from outtake.removal.clean_plate.sample_votes import Poll, replace_outvoted
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, disc, remove, texture


def settle(here: float, own: list[int], more: list[int]) -> tuple[float, int]:
    """Return what becomes of one grey pixel with some samples, and how many samples it has."""
    values = [np.repeat(np.int16([[one]]), 3, axis=2) * STEPS_PER_GREY for one in (own, more)]
    arrays = [np.ascontiguousarray(each.reshape(1, -1, 3)) for each in values]
    counts = [np.array([[len(each)]], np.uint8) for each in (own, more)]
    colours = np.full((1, 1, 3), here, np.float32)
    replace_outvoted(arrays[0], counts[0], arrays[1], counts[1], colours)
    assert np.ptp(colours) == 0
    return float(colours[0, 0, 0]), int(counts[0][0, 0])


@pytest.mark.parametrize(
    ("own", "more", "expected"),
    [
        ([200, 200, 90], [200, 200, 90, 92, 94, 91, 93, 95, 88], 90),  # own samples come first
        ([200, 204], [200, 204, 90, 92, 94, 91, 93, 95, 98], 93),  # there are none of that colour
        ([], [90, 92, 94, 91], 91.5),  # nothing was known
    ],
)
def test_a_colour_that_is_outvoted_is_replaced(own, more, expected):
    here = float(np.median(own)) if own else 0.0
    assert settle(here, own, more) == (pytest.approx(expected), max(len(own), 1))


@pytest.mark.parametrize(
    ("own", "more"),
    [
        ([200, 200, 90], [200, 200, 90, 92, 94]),  # three are too few
        ([200, 200, 90], [200, 200, 200, 90, 92, 94, 91, 93, 95]),  # half as many agree
        ([200, 200, 90], [200, 10, 50, 90, 130, 170, 210, 250]),  # no two agree
        ([100, 104, 96], [100, 104, 96, 120, 121, 122, 123, 124, 125]),  # noise
        ([], [90, 200, 10]),
    ],
)
def test_a_colour_that_is_not_outvoted_stays(own, more):
    here = float(np.median(own)) if own else 0.0
    assert settle(here, own, more) == (here, len(own))


@pytest.mark.parametrize(
    ("shown", "settled"),
    [
        ([90, 92, 94], True),  # three are too few
        ([90, 92, 94, 91], False),
        ([200, 90, 92, 94], False),  # one vote of four
        ([200, 200, 90, 92, 94], True),
        ([*[200] * 4, *[90] * 16], False),  # the best ones may all show what passes
        ([*[200] * 6, *[90] * 6, *[200] * 4, *[90] * 14], True),  # a third is enough
    ],
)
def test_a_poll_finds_colours_that_could_be_outvoted(shown, settled):
    side, known = 4, np.full((8, 8), 129, np.uint8)
    place = np.array([[3.6, 3.4, 1, 0, 0, 1]], np.float32)
    here = np.full((1, side**2, 3), 200, np.float32)
    poll = Poll.begin(side, here, np.ones((1, side**2), np.uint8), most_voters=29)
    for score, grey in enumerate(shown, start=1):
        image = np.full((8, 8, 3), 77, np.uint8)
        image[2:6, 2:6] = grey // 2  # where the tile lies, and half as bright
        gains, offsets = np.full(3, 2, np.float32), np.full(3, grey % 2, np.float32)
        poll.ask(image, known, place, np.array([True]), gains, offsets, score, np.inf)
    assert poll.find_settled().tolist() == [settled]


def test_a_poll_heeds_masks_scores_and_selection_and_what_was_never_sampled():
    side, place = 4, np.array([[3.5, 3.5, 1, 0, 0, 1]], np.float32)
    one, nothing = np.ones(3, np.float32), np.zeros(3, np.float32)
    dark, known = np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 1, np.uint8)

    def ask(brightness, selected, limit, counts):
        here = np.full((1, side**2, 3), 200, np.float32)
        poll = Poll.begin(side, here, np.full((1, side**2), counts, np.uint8), 29)
        for score in range(1, 7):
            poll.ask(dark, brightness, place, np.array([selected]), one, nothing, score, limit)
        return poll.find_settled().tolist()

    assert ask(known, True, np.inf, 1) == [False]
    assert ask(known - 1, True, np.inf, 1) == [True]  # all is masked
    assert ask(known, False, np.inf, 1) == [True]
    assert ask(known, True, 3, 1) == [True]  # only three are good enough
    assert ask(known, True, np.inf, 0) == [False]  # a colour can be won


def test_what_passes_behind_a_hole_leaves_no_trace_where_it_is_not():
    wall, middle = texture(1, width=WIDTH), 40
    frames = [wall.copy() for _ in range(81)]
    for number, frame in enumerate(frames):
        frame[disc(72 + 2 * (number - middle), radius=9)] = (230, 40, 40)
    masks = [np.zeros((HEIGHT, WIDTH), bool) for _ in frames]
    masks[middle] = disc(72, radius=16)
    filled = remove(CleanPlate(), frames, masks)[middle].frame.image
    still = masks[middle] & ~disc(72, radius=10)
    error = np.abs(filled[still].astype(int) - wall[still]).max(axis=1)
    assert (error > 60).mean() < 0.01
