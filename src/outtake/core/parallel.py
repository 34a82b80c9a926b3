"""Do one thing to many files, in threads, with a progress bar when it takes a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from outtake.core.cpu import usable_processors

Item = TypeVar("Item")
Result = TypeVar("Result")

BAR_DELAY_S = 1.0


def default_threads() -> int:
    """Return how many threads are worth starting here: one a processor, at most 16."""
    return max(1, min(16, usable_processors()))


def map_threads(
    function: Callable[[Item], Result], items: Sequence[Item], *, threads: int, title: str
) -> list[Result]:
    """Apply ``function`` to every item and return the results in the order of the items.

    The first error, in that order, is raised and what has not started is dropped. A
    transient progress bar on stderr appears after one second.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task(title, total=len(items))
    began = time.monotonic()
    shown = False
    results: list[Result] = []
    try:
        with ThreadPoolExecutor(max(1, threads)) as pool:
            for result in pool.map(function, items):
                results.append(result)
                progress.advance(task)
                if not shown and console.is_terminal and time.monotonic() - began > BAR_DELAY_S:
                    shown = True
                    progress.start()
    finally:
        if shown:
            progress.stop()
    return results
