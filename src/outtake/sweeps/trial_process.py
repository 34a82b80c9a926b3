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
# The system keeps the time at which a process was created in clock ticks.
_CREATION_TOLERANCE_S = 1.0
_KILL_TIMEOUT_S = 10.0
_POLL_S = 0.02


@dataclass
class TrialProcess:
    """A trial that is running.

    Attributes:
        number: The number of the trial.
        folder: The folder of the trial.
        process: The process, which leads a group of its own.
        gpu_slot: The slot of the sweep that the trial takes.
        started_s: The time of the start by the monotonic clock, in seconds.
    """

    number: int
    folder: Path
    process: subprocess.Popen[bytes]
    gpu_slot: int
    started_s: float

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs; kill what it left running when it ended."""
        code = self.process.poll()
        if code is not None:
            self.send_signal(signal.SIGKILL)
            if self.process.stdin is not None:
                self.process.stdin.close()
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    @property
    def elapsed_s(self) -> float:
        """The time since the start, in seconds."""
        return time.monotonic() - self.started_s


def start_trial_process(
    number: int,
    folder: Path,
    gpu_slot: int,
    command: Sequence[str],
    environment: Mapping[str, str],
) -> TrialProcess:
    """Start a trial in a folder that must not exist yet.

    Its standard input is a pipe that closes when this process is gone, see
    :func:`outtake.sweeps.trial.watch_driver`.

    Raises:
        OutputError: The folder exists or cannot be made, or the program cannot be started.
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
            f"{folder} exists already, from a sweep that the storage does not know; give this "
            "one another name=..."
        ) from error
    except OSError as error:
        raise OutputError(f"cannot start {command[0]} in {folder}: {error.strerror}") from error
    record = {
        "pid": process.pid,
        "host": socket.gethostname(),
        "created_s": _creation_time_s(process.pid),
    }
    write_json(folder / _PROCESS_FILE, record)
    return TrialProcess(number, folder, process, gpu_slot, time.monotonic())


def kill_orphan(folder: Path) -> None:
    """Kill the process that a driver that is gone left running in a trial's folder."""
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
    """Return whether a process runs; one that has ended and was not waited for does not."""
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
