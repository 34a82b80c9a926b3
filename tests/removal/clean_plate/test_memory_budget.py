"""The clean plate keeps to its memory limit, whatever a frame carries."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, product
from zlib import crc32

import cv2
import numpy as np
import pytest

from outtake.core.frames import FilledFrame, LabelledFrame, MaskedFrame
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.pipeline.segments import SegmentPlan, run_segments
from outtake.pipeline.stage_threads import StageThreads
from outtake.removal.clean_plate.memory_budget import MemoryBudget
from outtake.removal.clean_plate.remover import CleanPlate

HEIGHT, WIDTH, FRAMES, SEGMENT = 136, 240, 96, 48
SPACE = LabelSpace.from_names(("ground", "thing"))
FRAME_BYTES = 6 * HEIGHT * WIDTH
# The frames that threads have in hand at any time, in addition to those in the buffer.
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

    def write(self, filled: FilledFrame) -> None:
        deep = filled.frame.image16
        assert (deep is None) == (filled.source.frame.image16 is None)
        self.append(crc32(filled.frame.image.tobytes()))
        if deep is not None:
            self.append(crc32(deep.tobytes()))


def run(
    megabytes: int, *, deep: bool = False, labelled: bool = False, frames: int = FRAMES
) -> Digests:
    sink = Digests()
    with StageThreads() as stages:
        plan = SegmentPlan(SEGMENT, (HEIGHT, WIDTH), high_bit_depth=deep)
        remover = CleanPlate(max_memory_mb=megabytes)
        shown = islice(clip(deep, labelled), frames)
        run_segments(shown, remover, lambda _: sink, stages, plan)
    return sink


@pytest.mark.parametrize("deep", [False, True])
def test_labels_and_16_bit_images_keep_to_the_memory_limit(deep):
    megabytes = 8
    # Loops that are compiled or loaded are no frames.
    run(megabytes, deep=deep, labelled=True, frames=8)
    tracemalloc.start()
    run(megabytes, deep=deep, labelled=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= (megabytes << 20) + IN_HAND * FRAME_BYTES * (1 + deep)


def test_every_output_frame_of_a_16_bit_clip_has_16_bits():
    """The context after a segment is output of the next."""
    assert len(run(64, deep=True)) == 2 * FRAMES


def test_labels_change_nothing():
    assert run(8, labelled=True) == run(8)


@pytest.mark.parametrize("megabytes", [1, 3, 8, 20, 64, 200, 1000])
@pytest.mark.parametrize("size", [(136, 240), (480, 854), (1080, 1920), (2160, 3840)])
def test_the_budget_fits_the_memory_or_is_the_smallest_possible(megabytes, size):
    for deep, moving in product((False, True), repeat=2):
        budget = MemoryBudget.for_frame_size(*size, 64, megabytes << 20, deep, moving)
        dense = min(budget.back, 8) if budget.thinned else budget.back
        more = 5 * moving  # what it takes to find what moves
        behind = (6 + more) * (dense + budget.keyframes) + (4.5 + more) * (budget.back - dense)
        held = size[0] * size[1] * (behind + (6 + more + 6 * deep) * (budget.ahead + 1))
        assert held <= megabytes << 20 or (budget.ahead, budget.back, budget.keyframes) == (1, 1, 0)


def test_the_reach_into_a_16_bit_clip_is_shorter_if_memory_is_short():
    plate = CleanPlate(max_memory_mb=256)
    plain, deep = (plate.context(720, 1280, deep) for deep in (False, True))
    assert 1 < deep.after < plain.after and 1 < deep.before < plain.before
    roomy = CleanPlate(max_memory_mb=8192)
    assert roomy.context(720, 1280, True) == roomy.context(720, 1280)


def test_the_context_is_as_long_as_the_memory_allows():
    whole, half = (CleanPlate(max_memory_mb=size).context(2160, 3840) for size in (8192, 1024))
    assert (whole.before, whole.after, whole.keyframe_reach) == (64, 64, 512)
    assert half.before >= 7 and half.after >= 7 and half.keyframe_reach >= 48
