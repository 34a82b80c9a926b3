from __future__ import annotations

import numpy as np

from outtake.removal.clean_plate.frame_buffer import FrameBuffer, reference_between
from outtake.removal.clean_plate.reference_selection import choose_references
from tests.removal.clean_plate.clips import WIDTH, disc, hide, texture


def test_references_are_chosen_that_show_a_place_several_times_at_different_moments() -> None:
    wall, hole = texture(1, width=WIDTH), disc(40)
    nowhere = np.zeros_like(hole)
    clip = [hide(wall, hole if number in (0, 3) else nowhere) for number in range(60)]
    window = next(iter(FrameBuffer(59, 1 << 30)(clip)))
    references = [
        reference_between(window.centre, window.neighbours[number])
        for number in (1, 2, 3, 4, 20, 59)
    ]
    points = np.array([[40, 36], [41, 36]], np.float32)

    def choose(times: int, most: int) -> list[int]:
        chosen = choose_references(references, points, times, most)
        return [reference.frame.number for reference in chosen]

    assert choose(1, 9) == [1]
    assert choose(3, 9) == [1, 59, 20]
    assert choose(9, 9) == [1, 59, 20, 4, 2]  # 3 hides it
    assert choose(3, 2) == [1, 59]
    assert choose_references(references, points[:0], 3, 9) == []
    assert choose_references([], points, 3, 9) == []


def test_the_first_reference_that_is_chosen_shows_most() -> None:
    wall, hole = texture(1, width=WIDTH), disc(40)
    part = hole & (np.arange(WIDTH) < 30)
    clip = [hide(wall, mask) for mask in (hole, part, np.zeros_like(hole))]
    window = next(iter(FrameBuffer(2, 1 << 30)(clip)))
    references = [reference_between(window.centre, window.neighbours[step]) for step in (1, 2)]
    rows, columns = np.nonzero(hole)
    points = np.column_stack([columns, rows]).astype(np.float32)
    (chosen,) = choose_references(references, points, 1, 9)
    assert chosen.frame.number == 2
