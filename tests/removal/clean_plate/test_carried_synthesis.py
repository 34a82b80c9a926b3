"""What is synthesised once goes on to the following frames, and stays sharp and in its place."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from outtake.core.frames import SYNTHESISED
from outtake.removal.clean_plate.carried_synthesis import CarriedSynthesis
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.exemplar.remover import Exemplar
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, hide, images, remove, texture, view


class CountingFill(Exemplar):
    """Counts how many pixels it is asked for in each call."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def fill(self, image, mask, vague):
        self.asked.append(int(np.count_nonzero(mask)))
        return super().fill(image, mask, vague)


def box(left: int = 50, width: int = 40) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[30:66, max(left, 0) : left + width] = True
    return mask


def noisy(image: np.ndarray, number: int) -> np.ndarray:
    grain = np.random.default_rng(number).normal(0, 1.5, image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def detail(image: np.ndarray) -> float:
    return float(np.abs(cv2.Laplacian(image, cv2.CV_32F)).mean())


def test_a_still_fill_neither_flickers_nor_blurs():
    world = texture(1)
    truths = [noisy(view(world, 40), number) for number in range(40)]
    filler = CountingFill()
    filled = images(remove(CleanPlate(filler=filler), truths, [box()] * 40))
    inner = (slice(34, 62), slice(54, 86))
    assert filler.asked == [np.count_nonzero(box())]
    changes = [np.abs(one[inner].astype(int) - filled[0][inner]).mean() for one in filled]
    assert max(changes) < 1.5
    assert detail(filled[-1][inner]) > 0.8 * detail(filled[0][inner])


def test_a_fill_moves_with_the_background():
    # The hole moves with the background, so that no frame shows it.
    world = texture(2)
    truths = [noisy(view(world, 40 + 2 * number), number) for number in range(21)]
    masks = [box(80 - 2 * number) for number in range(21)]
    filler = CountingFill()
    results = remove(CleanPlate(filler=filler), truths, masks)
    assert all(one.statistics.synthesised > 0.95 for one in results)
    assert filler.asked[0] > 1000 and sum(filler.asked[1:]) < 0.1 * filler.asked[0]
    first, last = results[0].frame.image, results[20].frame.image
    inner, moved = ((slice(34, 62), slice(left, left + 28)) for left in (86, 46))
    assert np.abs(last[moved].astype(int) - first[inner]).mean() < 4
    assert detail(last[moved]) > 0.75 * detail(first[inner])


def test_what_becomes_visible_replaces_what_was_synthesised():
    # A box that starts to move late: from then on frames show what is behind it.
    world = view(texture(3), 40)
    truths = [noisy(world, number) for number in range(100)]
    masks = [box(50 + max(0, number - 80) * 4) for number in range(100)]
    results = remove(CleanPlate(reach_frames=8), truths, masks)
    assert results[10].statistics.synthesised == 1
    assert results[99].statistics.synthesised == pytest.approx(0, abs=0.01)
    assert (results[70].statistics.origin[box()] == SYNTHESISED).all()


def test_nothing_is_carried_across_a_cut():
    first, second = view(texture(4), 40), view(texture(5), 40)
    truths = [first] * 8 + [255 - second] * 8
    filler = CountingFill()
    remove(CleanPlate(filler=filler), truths, [box()] * 16)
    assert filler.asked == [np.count_nonzero(box())] * 2


def test_what_is_synthesised_little_by_little_is_carried_too(monkeypatch):
    kept = []
    keep = CarriedSynthesis.keep

    def keep_and_count(self, *arguments):
        keep(self, *arguments)
        kept.append(len(self._kept))

    monkeypatch.setattr(CarriedSynthesis, "keep", keep_and_count)
    # The background enters behind a box at the border, and is seen when it has passed it.
    truths = [view(texture(6), 40 + 3 * number) for number in range(16)]
    results = remove(CleanPlate(reach_frames=1), truths, [box(WIDTH - 60, 60)] * 16)
    assert max(kept) == 2 and len(kept) >= 10
    for before, after in pairwise(results[:-1]):
        moved, ahead = ((slice(34, 62), slice(WIDTH - at, WIDTH - at + 40)) for at in (55, 52))
        change = before.frame.image[ahead].astype(int) - after.frame.image[moved]
        assert np.abs(change).mean() < 2


def test_frames_that_are_kept_hold_no_16_bits(monkeypatch):
    kept = []
    keep = CarriedSynthesis.keep

    def keep_and_note(self, *arguments):
        keep(self, *arguments)
        kept.extend(each.frame.source.frame.image16 for each in self._kept)

    monkeypatch.setattr(CarriedSynthesis, "keep", keep_and_note)
    item = hide(view(texture(1), 40), box())
    deep = replace(item.frame, image16=item.frame.image.astype(np.uint16) * 257)
    list(CleanPlate()(iter([replace(item, frame=deep)])))
    assert kept == [None]
