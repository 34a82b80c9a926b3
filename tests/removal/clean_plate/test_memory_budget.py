"""What the clean plate holds in memory: as much as it was given, whatever a frame carries."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from zlib import crc32

import cv2
import numpy as np
import pytest

from outtake.core.frames import FilledFrame, LabelledFrame, MaskedFrame, replace_image
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.pipeline.run import run_removal
from outtake.pipeline.stage_threads import StageThreads
from outtake.removal.clean_plate.memory_budget import MemoryBudget
from outtake.removal.clean_plate.remover import CleanPlate

HEIGHT, WIDTH, FRAMES, SEGMENT = 136, 240, 96, 48
SPACE = LabelSpace.from_names(("ground", "thing"))
FRAME_BYTES = 6 * HEIGHT * WIDTH
# What threads have in hand at any time, beside what is held to be looked at.
IN_HAND = 12


def clip(deep: bool, labelled: bool) -> Iterator[MaskedFrame]:
    noise = np.random.default_rng(0).integers(0, 255, (20, 60, 3), np.uint8)
    wide = cv2.resize(noise, (WIDTH + 2 * FRAMES, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for number in range(FRAMES):
        image = np.array(wide[:, 2 * number : 2 * number + WIDTH])
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[60:76, 40 + number : 60 + number] = True
        fine = image * np.uint16(257) + np.uint16(3) if deep else None
        frame = TimedFrame(image, number, Fraction(1, 25), fine)
        sure = np.ones(mask.shape, np.float32)
        found = LabelledFrame(frame, mask.view(np.uint8), SPACE, sure) if labelled else None
        yield MaskedFrame(frame, mask, found)


class Digests(list[int]):
    """A sink that keeps what the frames were."""

    def __enter__(self) -> Digests:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, made: FilledFrame) -> None:
        deep = made.frame.image16
        assert (deep is None) == (made.source.frame.image16 is None)
        self.append(crc32(made.frame.image.tobytes()))
        if deep is not None:
            self.append(crc32(deep.tobytes()))


def made(megabytes: int, *, deep: bool = False, labelled: bool = False) -> Digests:
    sink = Digests()
    with StageThreads() as stages:
        run_removal(
            clip(deep, labelled), CleanPlate(max_memory_mb=megabytes), lambda _: sink, stages,
            segment_frames=SEGMENT, size=(HEIGHT, WIDTH), high_bit_depth=deep,
        )  # fmt: skip
    return sink


@pytest.mark.parametrize("deep", [False, True])
def test_labels_and_deep_pictures_keep_to_the_memory_that_there_is(deep):
    megabytes = 8
    tracemalloc.start()
    made(megabytes, deep=deep, labelled=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= (megabytes << 20) + IN_HAND * FRAME_BYTES * (1 + deep)


def test_every_wanted_frame_of_a_deep_clip_is_deep():
    """Those that come after a segment are wanted in the next."""
    assert len(made(64, deep=True)) == 2 * FRAMES


def test_labels_change_nothing():
    assert made(8, labelled=True) == made(8)


@pytest.mark.parametrize("megabytes", [1, 3, 8, 20, 64, 200, 1000])
@pytest.mark.parametrize("size", [(136, 240), (480, 854), (1080, 1920), (2160, 3840)])
def test_what_is_held_fits_or_is_the_least_that_there_can_be(megabytes, size):
    for deep in (False, True):
        budget = MemoryBudget.for_frame_size(*size, 64, megabytes << 20, deep)
        dense = min(budget.back, 8) if budget.thinned else budget.back
        behind = 6 * (dense + budget.keyframes) + 4.5 * (budget.back - dense)
        held = size[0] * size[1] * (behind + (6 + 6 * deep) * (budget.ahead + 1))
        assert held <= megabytes << 20 or (budget.ahead, budget.back, budget.keyframes) == (1, 1, 0)


def test_a_deep_clip_is_looked_at_less_far_where_memory_is_short():
    plate = CleanPlate(max_memory_mb=256)
    plain, deep = (plate.context(720, 1280, deep) for deep in (False, True))
    assert 1 < deep.after < plain.after and 1 < deep.before < plain.before
    roomy = CleanPlate(max_memory_mb=8192)
    assert roomy.context(720, 1280, True) == roomy.context(720, 1280)


def test_a_frame_with_its_own_picture_is_the_frame():
    image = np.zeros((4, 5, 3), np.uint8)
    frame = TimedFrame(image, 0, Fraction(1), np.full((4, 5, 3), 3, np.uint16))
    assert replace_image(frame, image) is frame
    same = replace_image(frame, image.copy()).image16
    assert np.array_equal(same, frame.image16) and not np.shares_memory(same, frame.image16)
    other = image.copy()
    other[1, 2] = 9
    fine = replace_image(frame, other).image16
    assert (fine[1, 2] == 9 * 257).all() and (fine[0] == 3).all()
