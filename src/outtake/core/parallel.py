"""Do one thing to many files, in threads, with a progress bar when it takes a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from outtake.core.cpu import usable_processors
from outtake.core.progress import progress_bar

Item = TypeVar("Item")
Result = TypeVar("Result")

BAR_DELAY_S = 1.0


def default_threads() -> int:
    """Return how many threads are worth starting here: one per processor, at most 16."""
    return max(1, min(16, usable_processors()))


def map_threads(
    function: Callable[[Item], Result], items: Sequence[Item], *, threads: int, title: str
) -> list[Result]:
    """Apply ``function`` to every item and return the results in the order of the items.

    The first error, in that order, is raised, and items that were not begun are dropped. A
    transient progress bar appears on stderr after one second.
    """
    bar = progress_bar(title, len(items))
    began_s = time.monotonic()
    results: list[Result] = []
    try:
        with ThreadPoolExecutor(max(1, threads)) as pool:
            for result in pool.map(function, items):
                results.append(result)
                bar.advance(bar.task_ids[0])
                if not bar.live.is_started and time.monotonic() - began_s > BAR_DELAY_S:
                    bar.start()
    finally:
        if bar.live.is_started:
            bar.stop()
    return results
