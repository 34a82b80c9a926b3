"""A window that slides over a clip."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def windows(clip: Iterable[T], reach: int) -> Iterator[tuple[Sequence[T], int]]:
    """Yield, for each item, those at most ``reach`` away in order, and the index of its own."""
    held: deque[T] = deque()
    items = iter(clip)
    centre = 0
    ended = False
    while True:
        while not ended and len(held) - centre <= reach:
            try:
                held.append(next(items))
            except StopIteration:
                ended = True
        if centre == len(held):
            return
        yield held, centre
        centre += 1
        if centre > reach:
            held.popleft()
            centre -= 1
