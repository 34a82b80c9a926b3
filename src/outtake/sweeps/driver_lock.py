"""One driver for a sweep at a time: a lock on its folder, and a sign of life in its storage."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from optuna import Study

from outtake.core.errors import OutputError
from outtake.core.file_lock import FolderLock
from outtake.sweeps.trial_process import lives

_KEY = "driver"
BEAT_S = 15.0
_STALE_S = 4 * BEAT_S


class TakenOverError(OutputError):
    """Another driver is at work on the same sweep."""


def occupy(folder: Path) -> FolderLock:
    """Keep other drivers from a sweep's folder, which is made if need be.

    Raises:
        OutputError: another driver is at work there, or the folder can not be written.
    """
    lock = FolderLock(folder / ".lock")
    try:
        lock.take()
    except BlockingIOError as error:
        raise OutputError(
            f"{folder}: another driver is at work on this sweep; wait for its end, or give this "
            "one another name=..."
        ) from error
    except OSError as error:
        raise OutputError(
            f"can not write {folder}: {error.strerror}; set paths.runs=PATH"
        ) from error
    return lock


class Lease:
    """A sign of life in the storage, for drivers on machines that do not share the folder.

    Args:
        study: the study that is driven.

    Raises:
        TakenOverError: another driver gave a sign of life a moment ago.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._own = {"host": socket.gethostname(), "pid": os.getpid()}
        other = study.user_attrs.get(_KEY)
        if other and self._lives(other):
            raise _taken(other)
        self._last_s = self._last_wall_s = 0.0
        self._write()

    def beat(self) -> None:
        """Give a sign of life if it is time.

        Raises:
            TakenOverError: another driver has taken the study over.
        """
        # The one clock stands still while the machine sleeps, the other may be set back.
        passed_s = max(time.monotonic() - self._last_s, time.time() - self._last_wall_s)
        if passed_s < BEAT_S:
            return
        other = self._study.user_attrs.get(_KEY)
        if other and not self._is_own(other):
            raise _taken(other)
        self._write()

    def lost(self) -> TakenOverError:
        """Return the error for a driver of which another has settled a trial."""
        other = self._study.user_attrs.get(_KEY)
        if other and not self._is_own(other):
            return _taken(other)
        return TakenOverError(
            "another driver was at work on this sweep, while this one slept, and has settled its "
            "trials; the same command goes on with it"
        )

    def release(self) -> None:
        """Say that nobody drives the study any more, unless somebody else does by now."""
        other = self._study.user_attrs.get(_KEY)
        if other and self._is_own(other):
            self._study.set_user_attr(_KEY, None)

    def _write(self) -> None:
        self._study.set_user_attr(_KEY, {**self._own, "time_s": round(time.time(), 1)})
        self._last_s, self._last_wall_s = time.monotonic(), time.time()

    def _is_own(self, other: dict[str, Any]) -> bool:
        return all(other.get(key) == value for key, value in self._own.items())

    def _lives(self, other: dict[str, Any]) -> bool:
        if self._is_own(other) or abs(time.time() - float(other["time_s"])) > _STALE_S:
            return False
        here = other["host"] == self._own["host"]
        return not here or lives(int(other["pid"]))


def _taken(other: dict[str, Any]) -> TakenOverError:
    return TakenOverError(
        f"another driver is at work on this sweep (process {other['pid']} on {other['host']}); "
        f"wait for its end, or {_STALE_S:.0f} s if that machine is gone"
    )
