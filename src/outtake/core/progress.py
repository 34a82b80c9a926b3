"""The bar that long work shows."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    """Frames per second."""

    def render(self, task: Task) -> Text:
        """Return the current rate."""
        return Text(f"{task.finished_speed or task.speed or 0:.1f} frames/s")


def frame_bar(name: str, total: int | None, *, done: int = 0, shown: bool = True) -> Progress:
    """Return a bar that counts frames; its one task is ``bar.task_ids[0]``.

    Into a file or a pipe a bar would be noise; the summary line says what there is to say.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        disable=not (shown and console.is_terminal),
    )
    bar.add_task(name, total=total, completed=done)
    return bar
