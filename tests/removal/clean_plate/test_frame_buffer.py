from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np

from outtake.core.frames import MaskedFrame
from outtake.removal.clean_plate.frame_buffer import FrameBuffer
from outtake.removal.clean_plate.remover import CleanPlate
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, disc, hide, images, texture, view


def panning(frames: int, first: int = 0, output: range | None = None) -> list[MaskedFrame]:
    world = texture(1)
    return [
        hide(
            view(world, 4 + 2 * t),
            disc(20 + 5 * t),
            first + t,
            is_output=output is None or t in output,
        )
        for t in range(frames)
    ]


def test_a_window_holds_the_neighbours_within_reach():
    windows = list(FrameBuffer(4, 1 << 30)(panning(12)))
    assert [window.centre.number for window in windows] == list(range(12))
    for number, window in enumerate(windows):
        expected = {n - number for n in range(12) if n != number and abs(n - number) <= 4}
        assert set(window.neighbours) == expected


def test_context_comes_out_as_it_is_but_for_a_warm_up():
    items = panning(20, output=range(10, 14))
    results = list(CleanPlate()(iter(items)))
    same = [
        np.array_equal(result.frame.image, item.frame.image)
        for result, item in zip(results, items, strict=True)
    ]
    assert same == [True] * 6 + [False] * 8 + [True] * 6
    assert all(result.statistics.origin is not None for result in results[10:14])


def test_only_the_distance_between_numbers_matters_to_dense_frames():
    first, second = (images(list(CleanPlate()(panning(12, number)))) for number in (0, 1600))
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


def test_a_change_of_size_begins_a_new_shot():
    small = texture(11, 40, 60)
    items = [hide(view(texture(11), 10), disc(60)) for _ in range(3)]
    items += [hide(small, np.eye(40, 60, dtype=bool)) for _ in range(3)]
    shapes = [filled.frame.image.shape for filled in CleanPlate()(iter(items))]
    assert shapes == [(HEIGHT, WIDTH, 3)] * 3 + [(40, 60, 3)] * 3


def test_memory_is_bounded_by_the_window():
    world = texture(12)

    def peak(frames: int) -> int:
        clip = (hide(view(world, 10 + t % 60), disc(40)) for t in range(frames))
        tracemalloc.start()
        for _ in CleanPlate(reach_frames=4, max_memory_mb=1)(clip):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    # Threads may have a frame more or less in hand; a clip that is kept takes 2.5 times as much.
    assert peak(75) < 1.3 * peak(30)


def test_little_memory_shortens_the_reach():
    world, pulled = texture(13), 0

    def clip() -> Iterator[MaskedFrame]:
        nonlocal pulled
        for t in range(60):
            pulled += 1
            yield hide(view(world, 10 + t), disc(40))

    next(CleanPlate(max_memory_mb=1)(clip()))
    assert pulled * HEIGHT * WIDTH * 6 <= 1 << 20
