"""One job at a time: a process of its own, the same as the command that the page shows."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from outtake.core.errors import ConfigError, OutputError
from outtake.core.printable_text import to_printable
from outtake.core.progress_lines import VARIABLE, read_last_progress
from outtake.core.redact import redact
from outtake.pages.live.live_run import LiveRun
from outtake.studio.job_commands import JobCommand, discard, has_weights

State = Literal["running", "finished", "failed", "cancelled"]
_CURVES = ["train/loss", "val/miou"]
_TAIL_BYTES = 4096
_MAX_MESSAGE = 400
# After Ctrl-C a training still writes its weights.
_ORDERLY_END_S = 30.0
_TERMINATION_S = 5.0


class RunningJobError(ConfigError):
    """A job is still running that would have to be ended."""


class Job:
    """A command that runs, or has run.

    Args:
        number: Its number.
        command: What it does.
        log: The file that gets what it prints.

    Raises:
        OutputError: It cannot be started.
    """

    def __init__(self, number: int, command: JobCommand, log: Path) -> None:
        self.number, self.command = number, command
        self._log, self._cancelled = log, False
        self._progress = log.absolute().with_suffix(".progress")
        self._started_s = time.monotonic()
        self._ended_s: float | None = None
        self._run = None if command.run is None else LiveRun(command.run, command.run.name)
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            self._progress.unlink(missing_ok=True)
            if command.discards is not None:
                discard(command.discards)
            with log.open("wb") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "outtake.studio.job_process", *command.arguments],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=os.environ | {VARIABLE: str(self._progress)},
                )
        except OSError as error:
            raise OutputError(f"cannot start {command.text}: {error.strerror}") from error

    @property
    def state(self) -> State:
        """What has become of it."""
        code = self._process.poll()
        if code is None:
            return "running"
        if self._ended_s is None:
            self._ended_s = time.monotonic()
            self._signal(signal.SIGKILL)  # what it left behind
            if self._process.stdin is not None:
                self._process.stdin.close()
        if self._cancelled:
            return "cancelled"
        return "finished" if code == 0 else "failed"

    def describe(self) -> dict[str, Any]:
        """Return what the page shows, as plain containers."""
        state = self.state
        end_s = self._ended_s or time.monotonic()
        found: dict[str, Any] = {
            "id": self.number,
            "kind": self.command.kind,
            "command": self.command.text,
            "state": state,
            "elapsed_s": round(end_s - self._started_s, 1),
            "message": self._last_line(),
            "progress": read_last_progress(self._progress) if state == "running" else None,
            "training": None,
            "weights": self.command.run is not None and has_weights(self.command.run),
        }
        if self._run is not None:
            self._run.look_again()
            found["training"] = self._run.describe(_CURVES)
        return found

    def cancel(self) -> None:
        """End it in order, and by force if that takes long; return at once."""
        if self.state != "running":
            return
        self._cancelled = True
        threading.Thread(target=self.end, name="studio-job-end", daemon=True).start()

    def end(self) -> None:
        """End it in order, and by force if that takes long; return when it is gone."""
        for number, wait_s in (
            (signal.SIGINT, _ORDERLY_END_S),
            (signal.SIGTERM, _TERMINATION_S),
            (signal.SIGKILL, _TERMINATION_S),
        ):
            self._signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(wait_s)
                return

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _last_line(self) -> str:
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
                text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""
        lines = [line for line in map(str.strip, text.replace("\r", "\n").splitlines()) if line]
        return to_printable(redact(lines[-1]))[:_MAX_MESSAGE] if lines else ""


class Jobs:
    """The jobs of a project, of which one runs at a time.

    Args:
        folder: The project.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._number = 0
        self.current: Job | None = None

    def start(self, make_command: Callable[[], JobCommand]) -> Job:
        """Start a job.

        Args:
            make_command: Returns its command; called only if it may begin, because it keeps choices
                in the project, which belong to the job that is running.

        Raises:
            ConfigError: Another one is running.
            OutputError: It cannot be started.
        """
        with self._lock:
            if self.current is not None and self.current.state == "running":
                raise ConfigError(
                    f"{self.current.command.kind} is still running; wait for it or cancel it"
                )
            command = make_command()
            self._number += 1
            log = self._folder / "logs" / f"{command.kind}.log"
            self.current = Job(self._number, command, log)
            return self.current

    def close(self) -> None:
        """End what is running."""
        if self.current is not None and self.current.state == "running":
            self.current.end()
