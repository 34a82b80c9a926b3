from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.core.frames import FilledFrame, LabelledFrame, MaskedFrame
from outtake.core.labels import LabelSpace
from outtake.core.types import StoredPicture, TimedFrame
from outtake.pipeline.segments import (
    RunResult,
    SegmentPlan,
    Segments,
    common_stride,
    first_frame_to_decode,
    run_segments,
)
from outtake.pipeline.stage_threads import StageThreads
from outtake.removal.protocol import Context, Remover

SIZE = (4, 5)
SPACE = LabelSpace.from_names(("a", "b"))


def clip(frames: int, start: int = 0):
    for number in range(start, frames):
        image = np.full((*SIZE, 3), number % 256, np.uint8)
        yield MaskedFrame(TimedFrame(image, 10 * number, Fraction(1, 100)), np.ones(SIZE, bool))


def numbers(items):
    return [(item.number, item.is_output) for item in items]


def test_a_segment_comes_between_its_context():
    found = {index: numbers(items) for index, items in Segments(clip(10), 4, Context(2, 1))}
    assert found == {
        0: [(0, True), (1, True), (2, True), (3, True), (4, False)],
        1: [(2, False), (3, False), (4, True), (5, True), (6, True), (7, True), (8, False)],
        2: [(6, False), (7, False), (8, True), (9, True)],
    }


def test_keyframes_come_from_further_back():
    context = Context(before=1, keyframe_reach=9, keyframe_step=4)
    found = {index: numbers(items) for index, items in Segments(clip(16), 5, context)}
    before = {index: [n for n, wanted in items if not wanted] for index, items in found.items()}
    assert before == {0: [], 1: [0, 4], 2: [4, 8, 9], 3: [8, 12, 14]}


@pytest.mark.parametrize("context", [Context(), Context(3, 2), Context(2, 5, 12, 3)])
@pytest.mark.parametrize("first", [0, 1, 3])
def test_a_clip_that_starts_in_the_middle_gives_the_same_segments(context, first):
    whole = {index: numbers(items) for index, items in Segments(clip(30), 4, context)}
    start = first_frame_to_decode(4 * first, context, mask_context=2, label_stride=3)
    assert start % 3 == 0 and start <= max(4 * first - 2, 0)
    part = Segments(clip(30, start), 4, context, start_frame=start, first_segment=first)
    assert {index: numbers(items) for index, items in part} == {
        index: items for index, items in whole.items() if index >= first
    }


def test_what_a_remover_does_not_look_at_is_not_kept():
    def labelled():
        for item in clip(12):
            frame = replace(item.frame, image16=np.zeros((*SIZE, 3), np.uint16))
            yield replace(item, frame=frame, labelled=LabelledFrame(frame, item.mask, SPACE))

    def kept(context: Context):
        return [
            (item.is_output, item.frame.image16 is not None, item.labelled is not None)
            for _, items in Segments(labelled(), 4, context)
            for item in items
        ]

    assert all(deep and labels for _, deep, labels in kept(Context(3, 2)))
    found = kept(Context(3, 2, needs_labels=False, needs_image16=False))
    assert sum(wanted for wanted, _, _ in found) == 12
    assert all(deep for wanted, deep, _ in found if wanted)
    assert not any(labels for _, _, labels in found)
    behind = [deep for wanted, deep, _ in found if not wanted]
    assert behind == [True, True, *[False] * 3, True, True, *[False] * 3]  # after, before, ...


def test_segments_may_be_left_unread():
    segments = Segments(clip(20), 5, Context(2, 2))
    found = {index: numbers(items) for index, items in segments if index % 2}
    assert [number for number, wanted in found[3] if wanted] == [15, 16, 17, 18, 19]
    assert [number for number, _ in found[1]] == list(range(3, 12))


@pytest.mark.parametrize("frames", [0, 1, 4, 5, 8])
def test_every_frame_is_wanted_once(frames):
    wanted = [
        item.number
        for _, items in Segments(clip(frames), 4, Context(3, 3))
        for item in items
        if item.is_output
    ]
    assert wanted == list(range(frames))


def test_no_more_than_the_context_is_held():
    alive = []

    class Watched(MaskedFrame):
        pass

    segments = Segments(clip(200), 10, Context(4, 3, 32, 16))
    for _, items in segments:
        for _ in items:
            alive.append(len(segments._buffer))
    assert max(alive) <= 4 + 3 + 2 + 10 // 2 + 3


def test_strides_have_a_common_start():
    assert common_stride(4, 6) == 12 and common_stride(0, 5) == 5


class Looking(Remover):
    """A remover that shows the mean of all frames it gets, and counts as it goes."""

    keeps_outside = False

    def __init__(self, extra: int = 0) -> None:
        self._extra = extra

    def context(self, height, width, high_bit_depth=False):
        return Context(3, 2)

    def __call__(self, clip):
        held = list(clip)
        mean = np.mean([item.frame.image for item in held], axis=0).astype(np.uint8)
        for item in held[: len(held) + min(self._extra, 0)]:
            frame = TimedFrame(mean + item.frame.image, item.frame.pts, item.frame.time_base)
            yield FilledFrame(item, frame)
        for _ in range(self._extra):
            yield FilledFrame(held[0], held[0].frame)


class Shelf:
    """Keeps segments; those that ended with an error are not kept."""

    def __init__(self) -> None:
        self.kept: dict[int, list[np.ndarray]] = {}

    def __call__(self, index):
        shelf = self

        class Sink:
            def __enter__(self):
                self.frames = []
                return self

            def write(self, made):
                self.frames.append(made.frame.image)

            def __exit__(self, kind, error, trace):
                if kind is None:
                    shelf.kept[index] = self.frames

        return Sink()


def run(frames: int, **options) -> tuple[Shelf, RunResult]:
    shelf = Shelf()
    start = options.get("start_frame", 0)
    with StageThreads() as stages:
        plan = SegmentPlan(4, SIZE, **options)
        made = run_segments(clip(frames, start), Looking(), shelf, stages, plan)
    return shelf, made


def test_segments_made_alone_equal_those_of_one_run():
    whole, made = run(18)
    assert made == RunResult((0, 1, 2, 3, 4), 18, 5)
    for first in range(5):
        start = first_frame_to_decode(4 * first, Context(3, 2), mask_context=0, label_stride=1)
        part, made = run(18, first_segment=first, stop_segment=first + 1, start_frame=start)
        assert made.segments == (first,) and made.total_segments == (5 if first == 4 else None)
        assert np.array_equal(part.kept[first], whole.kept[first])


def test_complete_segments_are_not_made_again():
    whole, _ = run(18)
    part, made = run(18, completed={1, 3})
    assert made == RunResult((0, 2, 4), 10, 5)
    assert all(np.array_equal(part.kept[index], whole.kept[index]) for index in (0, 2, 4))


def test_a_range_beyond_the_end_is_empty():
    shelf, made = run(8, first_segment=4)
    assert made.segments == () and shelf.kept == {}


@pytest.mark.parametrize(("frames", "whole"), [(10, [0, 1]), (11, [0, 1]), (9, [0]), (8, [0])])
def test_damage_keeps_only_what_it_touches_from_counting(frames, whole):
    def check():
        raise OSError("damaged")

    shelf = Shelf()
    with StageThreads() as stages, pytest.raises(OSError, match="damaged"):
        run_segments(clip(frames), Looking(), shelf, stages, SegmentPlan(4, SIZE), check)
    # Two frames after a segment belong to its context.
    assert sorted(shelf.kept) == whole


@pytest.mark.parametrize("extra", [-1, 1])
def test_a_remover_that_miscounts_is_named(extra):
    with (
        StageThreads() as stages,
        pytest.raises(ConfigError, match="Looking did not give one frame"),
    ):
        run_segments(clip(6), Looking(extra), Shelf(), stages, SegmentPlan(4, SIZE))


class PlanesShelf(Shelf):
    """Keeps the stored pictures of what is written as well."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: list[StoredPicture | None] = []

    def __call__(self, index):
        sink = super().__call__(index)
        sink.write = lambda filled: self.stored.append(filled.frame.stored)
        return sink


def test_planes_of_the_source_go_round_the_remover():
    """A remover holds many frames; their planes would double what it holds."""
    given, seen, shelf = [], [], PlanesShelf()

    def with_planes():
        for item in clip(10):
            given.append(
                StoredPicture("yuv444p", (item.frame.image[..., 0],) * 3, item.frame.image)
            )
            yield replace(item, frame=replace(item.frame, stored=given[-1]))

    class Watching(Looking):
        keeps_outside = True

        def __call__(self, clip):
            for filled in super().__call__(clip):
                seen.append(filled.source.frame.stored)
                yield filled

    with StageThreads() as stages:
        run_segments(with_planes(), Watching(), shelf, stages, SegmentPlan(4, SIZE))
    assert seen == [None] * 20  # 10 frames and 10 of context
    assert len(shelf.stored) == 10
    for after, before in zip(shelf.stored, given, strict=True):
        assert after.planes is before.planes and after.filled.all()
    context = [
        item.frame.stored
        for _, items in Segments(with_planes(), 4, Context(3, 0))
        for item in items
        if not item.is_output
    ]
    assert context == [None] * 6


@pytest.mark.parametrize(
    ("channels", "keeps_outside", "kept"),
    [(3, True, "yuv444p"), (3, False, ""), (4, True, "yuv444p")],
)
def test_planes_do_not_count_where_something_was_removed(channels, keeps_outside, kept):
    """A picture made whole has none, and under alpha the colours stay."""

    class Painting(Looking):
        def __call__(self, clip):
            for item in clip:
                yield FilledFrame(item, item.frame)

    remover = Painting()
    remover.channels, remover.keeps_outside = channels, keeps_outside
    items = list(clip(2))
    items[1] = replace(items[1], mask=np.zeros(SIZE, bool))
    items = [
        replace(item, frame=replace(item.frame, stored=StoredPicture("yuv444p", (), None)))
        for item in items
    ]
    shelf = PlanesShelf()
    with StageThreads() as stages:
        run_segments(iter(items), remover, shelf, stages, SegmentPlan(4, SIZE))
    assert [stored.pix_fmt for stored in shelf.stored] == [kept, kept]
    marked = [stored.filled is not None for stored in shelf.stored]
    assert marked == [channels == 3 and keeps_outside, False]
