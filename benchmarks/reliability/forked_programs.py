"""A program of ours in a fork of a server that has imported torch and Lightning already.

Where many programs are started, those imports take longer than all that the programs do. The server
has one thread and has run no network: a fork of a process with more threads takes along the locks
that they hold, and waits for them for ever.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import torch

from benchmarks.reliability.runs import exit_code
from outtake.config.compose import CONF_DIR
from outtake.programs.entry_points import PROGRAMS

# Its import is what a program would spend its first seconds with.
_IMPORTS = "benchmarks.reliability.program_imports"


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
        variables = dict(os.environ if environment is None else environment)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([_IMPORTS])
        self._process = context.Process(
            target=_run,
            args=(PROGRAMS[name.replace("_", "-")], self._arguments, cwd, self._streams, variables),
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return its exit code (minus its fatal signal); None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, and wait for that."""
        self._process.kill()
        self._process.join()

    def finish(self, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Wait for the end and return what ``subprocess.run`` would.

        Raises:
            TimeoutError: It did not end in time, and was killed; the message says where it stood.
        """
        self._process.join(timeout_s)
        in_time = self.poll() is not None
        if not in_time:
            self.send_signal(signal.SIGABRT)  # faulthandler writes where each thread stands
            self._process.join(10.0)
            self.kill()
        stdout, stderr = (path.read_text(errors="replace") for path in self._streams)
        code = self.poll()
        if not in_time or code is None:
            raise TimeoutError(f"{self._arguments} did not end: {stdout}{stderr}")
        return subprocess.CompletedProcess(self._arguments, code, stdout, stderr)


def _run(
    program: Callable[[], object],
    arguments: Sequence[str],
    cwd: Path,
    streams: tuple[Path, Path],
    environment: Mapping[str, str],
) -> None:
    """Become a process of its own, run a program and exit as it would."""
    code = 1
    try:
        _become_a_process(arguments, cwd, streams, environment)
        code = exit_code(program)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _become_a_process(
    arguments: Sequence[str],
    cwd: Path,
    streams: tuple[Path, Path],
    environment: Mapping[str, str],
) -> None:
    gc.freeze()  # else it would copy every page of what was imported, to count references
    paths = (Path(os.devnull), *streams)
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
    sys.argv = list(arguments)
    sys.orig_argv = [sys.executable, *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.enable(sys.stderr)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    _print_warnings()


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
