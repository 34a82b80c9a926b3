"""How far long work is, as lines for other programs: ``OUTTAKE_PROGRESS=FILE``.

Each line is a JSON object: ``title`` of what is counted, ``done`` and ``total`` (null if it is
unknown), ``left_s``, the seconds that it will still take by its speed so far (null at first).
"""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from outtake.core.errors import OutputError

VARIABLE = "OUTTAKE_PROGRESS"
_INTERVAL_S = 0.5
# The last line is well within this.
_TAIL_BYTES = 4096

log = logging.getLogger(__name__)


class ProgressLines:
    """Appends lines about some work to a file, two in a second at most.

    Args:
        path: The file; it may also be a pipe, or a device such as ``/dev/stderr``.

    Raises:
        OutputError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last_s: float | None = None
        try:
            self._file: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise OutputError(
                f"{VARIABLE}={path}: cannot be written ({error.strerror}); name a file in a "
                "folder that exists, or unset it"
            ) from error

    def say(
        self, title: str, done: float, total: float | None, left_s: float | None, *, now: bool
    ) -> None:
        """Write a line, unless one was written just before.

        Args:
            title: What is counted.
            done: The number of items that are done.
            total: The number of items; None if it is unknown.
            left_s: The seconds that are left; None if they are unknown.
            now: Whether the line is written in any case.
        """
        clock_s = time.monotonic()
        if not now and self._last_s is not None and clock_s - self._last_s < _INTERVAL_S:
            return
        self._last_s = clock_s
        left = None if left_s is None else round(left_s, 1)
        record = {"title": title, "done": done, "total": total, "left_s": left}
        if self._file is None:
            return
        try:
            # One write, so that lines of several processes do not mix.
            os.write(self._file, (json.dumps(record) + "\n").encode())
        except OSError as error:
            log.warning(
                "%s=%s: cannot be written any more (%s); the work goes on without",
                VARIABLE, self._path, error.strerror,
            )  # fmt: skip
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def open_progress_lines() -> ProgressLines | None:
    """Return where the environment wants to have lines; None if it does not.

    Raises:
        OutputError: It cannot be written.
    """
    path = os.environ.get(VARIABLE)
    return ProgressLines(Path(path)) if path else None


def read_last_progress(path: Path) -> dict[str, Any] | None:
    """Return the last whole line of a file of progress; None if there is none yet."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
        found = json.loads(lines[-1]) if lines else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
