"""What moves by itself behind a hole is carried through it; what is doubtful is left out."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.core.frames import SYNTHESISED, FilledFrame
from outtake.core.types import Frame, Mask
from outtake.removal.clean_plate.remover import CleanPlate
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, hide, texture, view

FRAMES = 44
SIZE = (44, 22)


def thing(t: int) -> Mask:
    """Something that stands upright and goes to the right at two pixels a frame."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    left = 20 + 2 * t
    mask[30 : 30 + SIZE[0], left : left + SIZE[1]] = True
    return mask


def barrier(t: int) -> Mask:
    """Something that is removed, and goes to the left before the lower half of that."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    left = 130 - 4 * t
    mask[54:80, max(0, left) : max(0, left + 34)] = True
    return mask


def clip(pan_px: float, *, behind: bool = True) -> tuple[list[Frame], list[Mask], list[Mask]]:
    """Return the truth, the holes, and where the thing is."""
    world, look = texture(2), texture(9, *SIZE)
    look[..., 0], look[::6] = 250, (20, 240, 250)
    truths, holes, things = [], [], []
    for t in range(FRAMES):
        truth, there, hole = view(world, 40 + pan_px * t), thing(t), barrier(t)
        shown = there.nonzero()
        truth[shown] = look[shown[0] - shown[0].min(), shown[1] - shown[1].min()]
        truths.append(truth)
        holes.append(hole if behind else hole & ~there)
        things.append(there)
    return truths, holes, things


@functools.cache
def fill(pan_px: float, *, behind: bool = True, moving: bool) -> list[FilledFrame]:
    truths, holes, _ = clip(pan_px, behind=behind)
    pairs = enumerate(zip(truths, holes, strict=True))
    items = [hide(truth, hole, number=t, pts=t) for t, (truth, hole) in pairs]
    return list(CleanPlate(moving=moving)(iter(items)))


def error(truths: list[Frame], filled: list[FilledFrame], where: list[Mask]) -> float:
    """Return the mean squared error."""
    errors = [
        np.square(truth[mask].astype(float) - one.frame.image[mask]).ravel()
        for truth, one, mask in zip(truths, filled, where, strict=True)
    ]
    return float(np.concatenate(errors).mean())


@pytest.mark.parametrize("pan_px", [0, 1], ids=["tripod", "pan"])
def test_what_moves_behind_the_hole_is_carried_through_it(pan_px):
    truths, holes, things = clip(pan_px)
    before, after = (fill(pan_px, moving=moving) for moving in (False, True))
    hidden = [hole & there for hole, there in zip(holes, things, strict=True)]
    still = [hole & ~there for hole, there in zip(holes, things, strict=True)]
    # 6 dB are a quarter of the squared error.
    assert error(truths, after, hidden) < error(truths, before, hidden) / 4
    assert error(truths, after, still) < 1.03 * error(truths, before, still)
    for truth, hole, one in zip(truths, holes, after, strict=True):
        assert np.array_equal(one.frame.image[~hole], truth[~hole])
        assert np.array_equal(one.statistics.origin > 0, hole)
    carried = [one.statistics.origin == SYNTHESISED for one in after]
    agree = sum((c & h).sum() for c, h in zip(carried, hidden, strict=True))
    assert agree > 0.8 * sum(h.sum() for h in hidden)


def test_nothing_is_added_to_what_moves_before_the_hole():
    truths, holes, _ = clip(0, behind=False)
    before, after = (fill(0, behind=False, moving=moving) for moving in (False, True))
    for old, new in zip(before, after, strict=True):
        assert new.statistics.synthesised <= old.statistics.synthesised + 0.02
    assert error(truths, after, holes) <= 1.03 * error(truths, before, holes)


def test_a_segment_carries_what_the_whole_clip_carries():
    truths, holes, _ = clip(0)
    whole = fill(0, moving=True)
    remover = CleanPlate(moving=True)
    first = 24
    items = [
        replace(hide(truths[t], holes[t], number=t, pts=t), is_output=t >= first)
        for t in range(FRAMES)
    ]
    part = list(remover(iter(items[max(0, first - remover.context(HEIGHT, WIDTH).before) :])))
    for one in part:
        if one.source.is_output:
            there = whole[one.source.number].frame.image
            assert np.abs(there.astype(int) - one.frame.image).mean() < 0.5


@pytest.mark.parametrize(
    ("options", "said"),
    [({"reach_frames": 19}, "reach_frames of 20"), ({"max_memory_mb": 1}, "max_memory_mb=1")],
)
def test_too_little_to_look_at_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        CleanPlate(moving=True, **options).context(HEIGHT, WIDTH)
