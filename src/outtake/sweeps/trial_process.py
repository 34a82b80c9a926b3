"""The process of one trial: started in a group of its own, ended with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from outtake.core.errors import OutputError
from outtake.core.files import write_json

RESULT_FILE = "result.json"
LOG_FILE = "trial.log"
_PROCESS_FILE = "process.json"
# Clocks of process creation are kept in ticks.
_CREATION_TOLERANCE_S = 1.0
_KILL_TIMEOUT_S = 10.0
_POLL_S = 0.02


@dataclass
class TrialProcess:
    """A trial at work.

    Attributes:
        number: the trial's.
        folder: its folder.
        process: the process, leader of its group.
        gpu_slot: which of the sweep's places it takes.
        started_s: by the monotonic clock.
    """

    number: int
    folder: Path
    process: subprocess.Popen[bytes]
    gpu_slot: int
    started_s: float

    def poll(self) -> int | None:
        """Return the exit code, None while it works; what it left behind is ended with it."""
        code = self.process.poll()
        if code is not None:
            self.send_signal(signal.SIGKILL)
            if self.process.stdin is not None:
                self.process.stdin.close()
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    @property
    def elapsed_s(self) -> float:
        """How long it has been at work."""
        return time.monotonic() - self.started_s


def start_trial_process(
    number: int,
    folder: Path,
    gpu_slot: int,
    command: Sequence[str],
    environment: Mapping[str, str],
) -> TrialProcess:
    """Start a trial in a folder that was not there before.

    Its standard input is a pipe that closes when this process is gone, see
    :func:`outtake.sweeps.trial_reporting.watch_driver`.

    Raises:
        OutputError: the folder is there already or can not be made, or the program can not start.
    """
    try:
        folder.mkdir(parents=True)
        with (folder / LOG_FILE).open("wb") as log:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )
    except FileExistsError as error:
        raise OutputError(
            f"{folder} is there already, from a sweep that the storage does not know; give this "
            "one another name=..."
        ) from error
    except OSError as error:
        raise OutputError(f"can not start {command[0]} in {folder}: {error.strerror}") from error
    record = {
        "pid": process.pid,
        "host": socket.gethostname(),
        "created_s": _creation_time_s(process.pid),
    }
    write_json(folder / _PROCESS_FILE, record)
    return TrialProcess(number, folder, process, gpu_slot, time.monotonic())


def kill_orphan(folder: Path) -> None:
    """End what a driver that is gone left at work in a trial's folder on this machine."""
    try:
        record = json.loads((folder / _PROCESS_FILE).read_text())
        pid, host, created_s = int(record["pid"]), record["host"], float(record["created_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if host != socket.gethostname():
        return
    now_s = _creation_time_s(pid)
    # The number may be another process's by now.
    if now_s is None or abs(now_s - created_s) > _CREATION_TOLERANCE_S:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    until_s = time.monotonic() + _KILL_TIMEOUT_S
    while is_alive(pid) and time.monotonic() < until_s:
        time.sleep(_POLL_S)


def is_alive(pid: int) -> bool:
    """Tell whether a process works; one that has ended and that nobody waits for does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _creation_time_s(pid: int) -> float | None:
    try:
        created_s: float = psutil.Process(pid).create_time()
        return created_s
    except psutil.Error:
        return None
