"""The progress bar of long work, on a terminal only."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class FrameRateColumn(ProgressColumn):
    """Frames per second."""

    def render(self, task: Task) -> Text:
        """Return the current rate."""
        return Text(f"{task.finished_speed or task.speed or 0:.1f} frames/s")


def progress_bar(
    title: str,
    total: int | None,
    *columns: ProgressColumn,
    done: int = 0,
    shown: bool = True,
    transient: bool = True,
    console: Console | None = None,
) -> Progress:
    """Return a bar that counts items; its one task is ``bar.task_ids[0]``.

    Into a file or a pipe a bar would be noise, so there it shows nothing.

    Args:
        title: The text before the bar.
        total: The number of items; None if it is unknown.
        columns: What stands after the count; nothing is the time that is left.
        done: The number of items that are done already.
        shown: False shows no bar on a terminal either.
        transient: Remove the bar when it stops.
        console: The console of the bar; None is stderr.
    """
    console = console or Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *(columns or (TimeRemainingColumn(),)),
        console=console,
        transient=transient,
        disable=not (shown and console.is_terminal),
    )
    bar.add_task(title, total=total, completed=done)
    return bar


def frame_bar(name: str, total: int | None, *, done: int = 0, shown: bool = True) -> Progress:
    """Return a bar of frames with their rate; it stays when it stops."""
    columns = (FrameRateColumn(), TimeRemainingColumn())
    return progress_bar(name, total, *columns, done=done, shown=shown, transient=False)


def trial_bar(total: int, console: Console) -> Progress:
    """Return a bar of the trials of a sweep, with the time that has passed."""
    return progress_bar("trials", total, TimeElapsedColumn(), console=console)
