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
from outtake.sweeps.trial_process import is_alive

_DRIVER_ATTR = "driver"
HEARTBEAT_S = 15.0
_STALE_S = 4 * HEARTBEAT_S


class TakenOverError(OutputError):
    """Another driver is at work on the same sweep."""


def acquire_lock(folder: Path) -> FolderLock:
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


class DriverLease:
    """A sign of life in the storage, for drivers on machines that do not share the folder.

    Args:
        study: the study that is driven.

    Raises:
        TakenOverError: another driver gave a sign of life a moment ago.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._this_driver = {"host": socket.gethostname(), "pid": os.getpid()}
        other = study.user_attrs.get(_DRIVER_ATTR)
        if other and self._is_alive(other):
            raise _already_driven_error(other)
        self._last_s = self._last_wall_s = 0.0
        self._write_heartbeat()

    def heartbeat(self) -> None:
        """Give a sign of life if it is time.

        Raises:
            TakenOverError: another driver has taken the study over.
        """
        # The one clock stands still while the machine sleeps, the other may be set back.
        passed_s = max(time.monotonic() - self._last_s, time.time() - self._last_wall_s)
        if passed_s < HEARTBEAT_S:
            return
        other = self._study.user_attrs.get(_DRIVER_ATTR)
        if other and not self._is_this_driver(other):
            raise _already_driven_error(other)
        self._write_heartbeat()

    def takeover_error(self) -> TakenOverError:
        """Return the error for a driver of which another has settled a trial."""
        other = self._study.user_attrs.get(_DRIVER_ATTR)
        if other and not self._is_this_driver(other):
            return _already_driven_error(other)
        return TakenOverError(
            "another driver was at work on this sweep, while this one slept, and has settled its "
            "trials; the same command goes on with it"
        )

    def release(self) -> None:
        """Say that nobody drives the study any more, unless somebody else does by now."""
        other = self._study.user_attrs.get(_DRIVER_ATTR)
        if other and self._is_this_driver(other):
            self._study.set_user_attr(_DRIVER_ATTR, None)

    def _write_heartbeat(self) -> None:
        self._study.set_user_attr(
            _DRIVER_ATTR, {**self._this_driver, "time_s": round(time.time(), 1)}
        )
        self._last_s, self._last_wall_s = time.monotonic(), time.time()

    def _is_this_driver(self, other: dict[str, Any]) -> bool:
        return all(other.get(key) == value for key, value in self._this_driver.items())

    def _is_alive(self, other: dict[str, Any]) -> bool:
        if self._is_this_driver(other) or abs(time.time() - float(other["time_s"])) > _STALE_S:
            return False
        here = other["host"] == self._this_driver["host"]
        return not here or is_alive(int(other["pid"]))


def _already_driven_error(other: dict[str, Any]) -> TakenOverError:
    return TakenOverError(
        f"another driver is at work on this sweep (process {other['pid']} on {other['host']}); "
        f"wait for its end, or {_STALE_S:.0f} s if that machine is gone"
    )
