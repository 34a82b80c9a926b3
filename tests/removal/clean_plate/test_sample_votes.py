from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.clean_plate.sample_medians import STEPS_PER_GREY
from outtake.removal.clean_plate.sample_votes import find_settled, poll_reference, replace_outvoted
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
        ([200, 200, 90], [200, 90, 92, 94, 91, 10, 50, 130, 165]),  # four of nine are no majority
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
    images = [np.full((8, 8, 3), 77, np.uint8) for _ in shown]
    for image, grey in zip(images, shown, strict=True):
        image[2:6, 2:6] = grey // 2  # where the tile lies, and half as bright
    assert poll(images, [(2, grey % 2) for grey in shown], place=(3.6, 3.4)) is settled


def test_a_poll_heeds_masks_scores_and_selection_and_what_was_never_sampled():
    dark = [np.zeros((8, 8, 3), np.uint8)] * 6
    assert not poll(dark)
    assert poll(dark, brightness=128)  # all is masked
    assert poll(dark, selected=False)
    assert poll(dark, limit=3)  # only three are good enough
    assert not poll(dark, counts=0)  # a colour can be won


def poll(
    images, light=None, *, place=(3.5, 3.5), brightness=129, selected=True, limit=np.inf, counts=1
):
    """Ask pictures, the best first, about a grey tile of 4 x 4; return whether it is settled."""
    side, known = 4, np.full((8, 8), brightness, np.uint8)
    places, which = np.array([[*place, 1, 0, 0, 1]], np.float32), np.array([selected])
    here, own = np.full((1, side**2, 3), 200, np.float32), np.full((1, side**2), counts, np.uint8)
    votes, asked = np.zeros((1, 4), np.uint8), np.zeros((1, 4), np.uint8)
    limits = np.full((1, 4), np.inf, np.float32)
    for score, (image, (gain, offset)) in enumerate(
        zip(images, light or [(1, 0)] * len(images), strict=True), start=1
    ):
        gains, offsets = np.full(3, gain, np.float32), np.full(3, offset, np.float32)
        poll_reference(
            image, known, side, places, which, gains, offsets, float(score), float(limit), here,
            own, 29, votes, asked, limits,
        )  # fmt: skip
    return bool(find_settled(votes, asked)[0])


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


def test_what_passes_where_few_frames_of_many_look_is_outvoted_by_those_between_them():
    wall, hidden, hole = texture(1, width=WIDTH), 46, disc(72, radius=12)
    frames, passing = [wall.copy() for _ in range(65)], [*range(47, 50), *range(55, 58)]
    for number in passing:  # two of the three that are looked at first: 48, 56 and 64 frames away
        frames[number][disc(72, radius=9)] = (230, 40, 40)
    masks = [hole if number < hidden else np.zeros_like(hole) for number in range(65)]
    filled = remove(CleanPlate(), frames, masks)[0].frame.image
    error = np.abs(filled[hole].astype(int) - wall[hole]).max(axis=1)
    assert (error > 60).mean() < 0.01
