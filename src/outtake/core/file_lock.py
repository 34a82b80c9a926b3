"""Locks that let one process at a time into a file or a folder."""

from __future__ import annotations

import logging
import os
import struct
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import fcntl

log = logging.getLogger(__name__)

# How often the folder may vanish under our hands, because another process is done with it.
_TRIES = 20

_holders: weakref.WeakValueDictionary[str, FolderLock] = weakref.WeakValueDictionary()


class FolderLock:
    """Keeps other processes out of a folder, by ``lockf`` on a file in it.

    The system releases the lock when the process ends, however it ends. Forked processes, such as
    the workers of a loader, do not hold it, nor does a pickled copy: workers write where their
    driver has the lock. Within a process the last object that takes the lock has it. If the system
    or the file system does not have such locks, nothing is locked.

    Args:
        path: The file that is locked, in the folder that is kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._close: weakref.finalize[..., FolderLock] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_close": None}

    @property
    def is_held(self) -> bool:
        """Whether this object has the lock."""
        return self._close is not None

    def take(self) -> None:
        """Lock the folder; make it if it is missing.

        Raises:
            BlockingIOError: Another process has the lock.
            OSError: The folder cannot be written.
        """
        self.release()
        earlier = _holders.get(os.path.realpath(self.path))
        if earlier is not None:
            earlier.release()
        for _ in range(_TRIES):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if sys.platform == "win32" or self._lock():
                return
        raise BlockingIOError(f"{self.path} comes and goes")

    def _lock(self) -> bool:
        """Lock the file; return False if it was deleted meanwhile, and nobody else would see it."""
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            return False
        try:
            _lock_for_process(handle)
            if not os.path.samestat(os.fstat(handle), self.path.stat()):
                raise FileNotFoundError
        except FileNotFoundError:
            os.close(handle)
            return False
        except BaseException:
            os.close(handle)
            raise
        # Closing gives the lock back; so would closing another handle of the file in this process.
        self._close = weakref.finalize(self, os.close, handle)
        _holders[os.path.realpath(self.path)] = self
        return True

    def release(self) -> None:
        """Release the lock if it is held; the file stays."""
        if self._close is not None:
            self._close()
            self._close = None


def is_locked(path: Path) -> bool | None:
    """Return whether a process has the lock on a file, without touching it.

    Returns:
        None where it cannot be told: there is no such file, or the system does not answer.
    """
    own = _holders.get(os.path.realpath(path))
    if own is not None and own.is_held:
        return True  # closing another handle of the file would give it back
    if sys.platform != "linux":
        return None
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        # struct flock: type, whence, start, length, process.
        question = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(handle, fcntl.F_GETLK, question)
    except OSError:
        return None
    finally:
        os.close(handle)
    return bool(struct.unpack("hhqqi", answer)[0] != fcntl.F_UNLCK)


def wait_for(handle: int) -> None:
    """Wait for others to release an open file, then lock it until it is closed."""
    if sys.platform != "win32":
        with _ignore_unsupported_locks():
            fcntl.flock(handle, fcntl.LOCK_EX)


def _lock_for_process(handle: int) -> None:
    if sys.platform != "win32":
        with _ignore_unsupported_locks():
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _ignore_unsupported_locks() -> Iterator[None]:
    try:
        yield
    except BlockingIOError:
        raise
    except OSError as error:  # some network file systems
        log.debug("no lock on this file system: %s", error)
