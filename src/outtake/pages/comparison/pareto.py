"""Which runs no other one beats in both score and time."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(times: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Return the positions that are on the front, fastest first.

    A point is on it if no other is at least as fast and at least as good, and better in one of
    the two; of points that agree in both, the first is.
    """
    front: list[int] = []
    best = float("-inf")
    for index in sorted(range(len(times)), key=lambda i: (times[i], -scores[i])):
        if scores[index] > best:
            front.append(index)
            best = scores[index]
    return front
