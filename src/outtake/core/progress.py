"""The progress of long work: a bar on a terminal, and lines for other programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from outtake.core.progress_lines import ProgressLines, open_progress_lines


class FrameRateColumn(ProgressColumn):
    """Frames per second."""

    def render(self, task: Task) -> Text:
        """Return the current rate."""
        return Text(f"{task.finished_speed or task.speed or 0:.1f} frames/s")


class ReportedProgress(Progress):
    """A bar that also says how far it is where ``OUTTAKE_PROGRESS`` names a file."""

    _lines: ProgressLines | None = None

    def start(self) -> None:
        """Show the bar, and write the first line."""
        self._lines = open_progress_lines()
        super().start()
        self._say(now=True)

    def stop(self) -> None:
        """Take the bar away, and write the last line."""
        super().stop()
        if self._lines is not None:
            self._say(now=True)
            self._lines.close()
            self._lines = None

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Count items."""
        super().advance(task_id, advance)
        self._say()

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """Change the task; the arguments are those of :class:`rich.progress.Progress`."""
        super().update(task_id, **changes)
        self._say()

    def _say(self, *, now: bool = False) -> None:
        if self._lines is not None and self.tasks:
            task = self.tasks[0]
            left_s = task.time_remaining
            self._lines.say(task.description, task.completed, task.total, left_s, now=now)


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

    Into a file or a pipe a bar would be noise, so there it shows nothing; other programs read what
    :mod:`outtake.core.progress_lines` writes.

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
    bar = ReportedProgress(
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
