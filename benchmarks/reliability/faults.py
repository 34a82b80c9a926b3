"""Make the n-th write of a save fail, or kill the process there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any
from unittest.mock import patch

# What reaches the disk in a save: these, and every write to a file that is being filled.
_CALLS = ("fsync", "replace", "link")


class _Counted:
    """A file whose writes are counted before they happen."""

    def __init__(self, file: IO[bytes], point: Callable[[], None]) -> None:
        self._file = file
        self._point = point

    def write(self, content: Any) -> int:
        self._point()
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Counted:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class Points:
    """Counts the places at which a save touches the disk, and acts at one of them.

    Args:
        at: the number of the place, from 1; 0 for none.
        act: what happens there.
    """

    def __init__(self, at: int = 0, act: Callable[[], None] | None = None) -> None:
        self.count = 0
        self._at = at
        self._act = act

    def __call__(self) -> None:
        """Count one place, and act if it is the one."""
        self.count += 1
        if self.count == self._at and self._act is not None:
            self._act()


@contextmanager
def watched(points: Points) -> Iterator[None]:
    """Let ``points`` see every write, flush, link and rename of files that replace others."""
    kept = {name: getattr(os, name) for name in _CALLS}
    open_handle = os.fdopen

    def counted(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            points()
            return kept[name](*arguments, **options)

        return call

    def opened(handle: int, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        file = open_handle(handle, mode, *arguments, **options)
        return _Counted(file, points) if mode == "wb" else file

    for name in _CALLS:
        setattr(os, name, counted(name))
    try:
        with patch.object(os, "fdopen", opened):
            yield
    finally:
        for name, call in kept.items():
            setattr(os, name, call)


def kill_here() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail_with(number: int) -> Callable[[], None]:
    """Return what raises the error of a full or broken disk."""

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return fail
