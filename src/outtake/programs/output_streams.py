"""Standard output and error that never end the work, whatever is printed and whoever reads it."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO, cast

_HELP_OPTIONS = {"-h", "--help", "--hydra-help", "-c", "--cfg", "-i", "--info"}


class LastingStream:
    """A stream that is given up, with one line, when it can no longer be written.

    Its reader may have gone, its terminal closed, or the disk of its file be full; a run that
    takes hours must not end for that. What the stream's encoding does not have, such as names
    that are no text, is escaped.

    Args:
        stream: The stream.
        report_to: Where the line is written; None says nothing.
    """

    def __init__(self, stream: TextIO, report_to: TextIO | None = None) -> None:
        self._stream = stream
        self._report_to = report_to
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Flush what was written, or drop it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        # What is still in the buffer, and what other code writes there, goes nowhere.
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())
        if self._report_to is not None:
            self._report_to.write(
                f"standard output cannot be written any more ({error.strerror}); "
                "the work goes on without it\n"
            )
            self._report_to.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _occupy_closed_streams() -> None:
    """Give the numbers of streams that were closed before the program began to no other file.

    What libraries print would be written into one that was opened later.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which child processes have too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def install_lasting_streams() -> None:
    """Let no print or progress bar of this process end it, nor any of a library spoil a file."""
    _occupy_closed_streams()
    # A stream that was closed before the program began is None, and print() would take standard
    # output for standard error.
    if not isinstance(sys.stderr, LastingStream):
        stream = sys.stderr
        if stream is None:
            stream = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
        sys.stderr = cast(TextIO, LastingStream(stream))
    if sys.stdout is not None and not isinstance(sys.stdout, LastingStream):
        # Whoever reads the first lines of a help text alone misses nothing.
        report_to = None if _HELP_OPTIONS.intersection(sys.argv) else cast(TextIO, sys.stderr)
        sys.stdout = cast(TextIO, LastingStream(sys.stdout, report_to))
