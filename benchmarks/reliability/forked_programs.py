"""A program of ours in a fork of this process, which has imported torch and Lightning already.

Where many programs are started, those imports take longer than all that the programs do.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import torch

from benchmarks.reliability.runs import collect_and_fork, exit_code, wait
from outtake.config.compose import CONF_DIR
from outtake.programs.entry_points import PROGRAMS


class ForkedProgram:
    """``python NAME.py ARGUMENTS`` in a working folder, but for the start of an interpreter.

    The streams, the arguments, the environment, the warnings and the handler of Ctrl-C are those of
    a process of its own. What is registered with ``atexit`` does not run, and what the imports of
    libraries print is not seen.

    Args:
        name: Of its script, such as ``infer_video``.
        arguments: Its arguments.
        cwd: The folder in which it works.
        output: A folder for the files ``stdout`` and ``stderr``, which is made.
        environment: All its variables; None for those of this process.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        cwd: Path,
        output: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._arguments = [str(CONF_DIR.parent / f"{name}.py"), *arguments]
        self._streams = (output / "stdout", output / "stderr")
        output.mkdir(parents=True)
        self._code: int | None = None
        self.pid = collect_and_fork()
        if self.pid:
            return
        code = 1
        try:
            self._become_a_process(cwd, dict(os.environ if environment is None else environment))
            code = exit_code(PROGRAMS[name.replace("_", "-")])
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _become_a_process(self, cwd: Path, environment: dict[str, str]) -> None:
        paths = (Path(os.devnull), *self._streams)
        for number, (path, mode) in enumerate(zip(paths, "rww", strict=True)):
            with path.open(mode) as file:
                os.dup2(file.fileno(), number)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, buffering=1, closefd=False) for number, mode in enumerate("rww")
        )
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
        os.chdir(cwd)
        sys.argv = self._arguments
        sys.orig_argv = [sys.executable, *self._arguments]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # The threads of this process are not in its fork.
        torch.set_num_threads(1)
        cv2.setNumThreads(0)
        _print_warnings()

    def poll(self) -> int | None:
        """Return its exit code (minus its fatal signal); None while it runs."""
        if self._code is None:
            self._code = wait(self.pid, 0.0)
        return self._code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, and wait for that."""
        self.send_signal(signal.SIGKILL)
        if self._code is None:
            self._code = wait(self.pid, None)

    def finish(self, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Wait for the end and return what ``subprocess.run`` would.

        Raises:
            TimeoutError: It did not end in time, and was killed.
        """
        in_time = True
        if self._code is None:
            self._code = wait(self.pid, timeout_s)
        if self._code is None:
            in_time = False
            self.kill()
        stdout, stderr = (path.read_text(errors="replace") for path in self._streams)
        if not in_time or self._code is None:
            raise TimeoutError(f"{self._arguments} did not end: {stdout}{stderr}")
        return subprocess.CompletedProcess(self._arguments, self._code, stdout, stderr)


def _print_warnings() -> None:
    """Let warnings and log records reach standard error, where pytest has caught them."""

    def show(
        message: Warning | str, category: type[Warning], file: str, line: int, *_: Any
    ) -> None:
        sys.stderr.write(warnings.formatwarning(message, category, file, line))

    warnings.showwarning = show
    warnings.resetwarnings()
    for ignored in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", ignored)
    logging.getLogger().handlers.clear()
    for logger in logging.Logger.manager.loggerDict.values():
        for handler in getattr(logger, "handlers", ()):
            if type(handler) is logging.StreamHandler:
                handler.setStream(sys.stderr)
