"""A sliding window over the frames of a clip."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def sliding_windows(clip: Iterable[T], reach_frames: int) -> Iterator[tuple[Sequence[T], int]]:
    """Yield each item's neighbours up to ``reach_frames`` away, in order, and its own index."""
    buffered: deque[T] = deque()
    items = iter(clip)
    centre = 0
    ended = False
    while True:
        while not ended and len(buffered) - centre <= reach_frames:
            try:
                buffered.append(next(items))
            except StopIteration:
                ended = True
        if centre == len(buffered):
            return
        yield buffered, centre
        centre += 1
        if centre > reach_frames:
            buffered.popleft()
            centre -= 1
