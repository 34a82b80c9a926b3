"""One driver for each sweep: a lock on the folder, and a heartbeat in the storage.

The lock keeps a second driver on the same machine out, the heartbeat drivers on machines that do
not share the folder.
"""

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

HEARTBEAT_S = 15.0
_STALE_S = 4 * HEARTBEAT_S
_DRIVER_ATTR = "driver"


class TakenOverError(OutputError):
    """Another driver is at work on the same sweep."""


def acquire_lock(folder: Path) -> FolderLock:
    """Keep other drivers out of a sweep's folder, which is made if it does not exist.

    Raises:
        OutputError: Another driver is at work there, or the folder cannot be written.
    """
    lock = FolderLock(folder / ".lock")
    try:
        lock.take()
    except BlockingIOError as error:
        raise OutputError(
            f"{folder}: another driver is at work on this sweep; wait until it ends, or choose "
            "another name=..."
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror}; set paths.runs=PATH") from (
            error
        )
    return lock


class DriverLease:
    """A heartbeat in the storage, for drivers on machines that do not share the folder.

    Args:
        study: The study that is driven.

    Raises:
        TakenOverError: Another driver's last heartbeat is recent.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._this_driver = {"host": socket.gethostname(), "pid": os.getpid()}
        holder = study.user_attrs.get(_DRIVER_ATTR)
        if holder and self._is_alive(holder):
            raise _already_driven_error(holder)
        self._last_s = self._last_wall_s = 0.0
        self._write_heartbeat()

    def heartbeat(self) -> None:
        """Write a heartbeat if it is due.

        Raises:
            TakenOverError: Another driver has taken the study over.
        """
        # One clock stands still while the machine sleeps, the other may be set back.
        passed_s = max(time.monotonic() - self._last_s, time.time() - self._last_wall_s)
        if passed_s < HEARTBEAT_S:
            return
        holder = self._study.user_attrs.get(_DRIVER_ATTR)
        if holder and not self._is_this_driver(holder):
            raise _already_driven_error(holder)
        self._write_heartbeat()

    def takeover_error(self) -> TakenOverError:
        """Return the error for a driver of which another has recorded a trial."""
        holder = self._study.user_attrs.get(_DRIVER_ATTR)
        if holder and not self._is_this_driver(holder):
            return _already_driven_error(holder)
        return TakenOverError(
            "another driver was at work on this sweep while this one slept, and has recorded its "
            "trials; the same command resumes the sweep"
        )

    def release(self) -> None:
        """Record that nobody drives the study any more, unless another driver does by now."""
        holder = self._study.user_attrs.get(_DRIVER_ATTR)
        if holder and self._is_this_driver(holder):
            self._study.set_user_attr(_DRIVER_ATTR, None)

    def _write_heartbeat(self) -> None:
        record = {**self._this_driver, "time_s": round(time.time(), 1)}
        self._study.set_user_attr(_DRIVER_ATTR, record)
        self._last_s, self._last_wall_s = time.monotonic(), time.time()

    def _is_this_driver(self, holder: dict[str, Any]) -> bool:
        return all(holder.get(key) == value for key, value in self._this_driver.items())

    def _is_alive(self, holder: dict[str, Any]) -> bool:
        if self._is_this_driver(holder) or abs(time.time() - float(holder["time_s"])) > _STALE_S:
            return False
        on_this_machine = holder["host"] == self._this_driver["host"]
        return not on_this_machine or is_alive(int(holder["pid"]))


def _already_driven_error(holder: dict[str, Any]) -> TakenOverError:
    return TakenOverError(
        f"another driver is at work on this sweep (process {holder['pid']} on {holder['host']}); "
        f"wait until it ends, or {_STALE_S:.0f} s if that machine is gone"
    )
