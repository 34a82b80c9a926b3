"""The processes of a run on one machine: each is this program with the same command line.

This process trains nothing: it passes signals on, and ends the others when one has died. So every
way in which a run ends has its exit code, as it has with one process. (Lightning's launcher makes
the first rank the parent, and kills it as soon as another has ended with a code of its own, be it
in the middle of the checkpoint that both stopped for.)
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from outtake.core.errors import RankLostError
from outtake.training.distributed.environment import LAUNCHED_RANKS

RUN_DIR_VARIABLE = "OUTTAKE_RUN_DIR"
_FORWARDED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
_POLL_S = 0.05
# After the first has ended: the others see it within a step, or wait for it in vain.
_GRACE_PERIOD_S = 15.0
_STDERR_TAIL_BYTES = 4000


class RankStoppedBySignal(Exception):
    """A signal that was passed on ended a process that was not ready to act on it.

    Attributes:
        signal_number: which.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal_number = number


@dataclass
class _RankProcess:
    """One process; what the ranks after the first say is kept, since the first says the same."""

    number: int
    process: subprocess.Popen[bytes]
    stderr: IO[bytes] | None


def launch_ranks(count: int, run_dir: Path) -> int:
    """Run this program in several processes until all have ended.

    Args:
        count: of processes.
        run_dir: the run folder, which they could not agree on if its name is a time.

    Returns:
        The exit code: of the first rank, or of the one on which the others ended.

    Raises:
        RankLostError: one was killed.
        RankStoppedBySignal: a signal came before they were ready for it; nothing was done yet.
    """
    ranks: list[_RankProcess] = []
    passed_on: list[int] = []
    with _forward_signals(ranks, passed_on):
        try:
            port = _free_port()
            for number in range(count):
                if passed_on:
                    raise RankStoppedBySignal(passed_on[0])
                ranks.append(_start_rank(number, count, port, run_dir))
            return _wait_for_ranks(ranks, passed_on)
        finally:
            for rank in ranks:
                with contextlib.suppress(ProcessLookupError):
                    rank.process.kill()
                rank.process.wait()
                for stream in (rank.process.stdin, rank.stderr):
                    if stream is not None:
                        stream.close()


def _start_rank(number: int, count: int, port: int, run_dir: Path) -> _RankProcess:
    environment = {
        **os.environ,
        LAUNCHED_RANKS: str(count),
        RUN_DIR_VARIABLE: str(run_dir),
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    if number:
        environment["TTY_COMPATIBLE"] = "0"  # no second progress bar over the first
    said = tempfile.TemporaryFile() if number else None  # noqa: SIM115, launch() closes it
    process = subprocess.Popen(
        [sys.executable, *sys.orig_argv[1:]],
        env=environment,
        stdin=subprocess.PIPE,  # closes when this process is gone
        stdout=subprocess.DEVNULL if number else None,
        stderr=said,
        start_new_session=True,  # Ctrl-C comes from here, once
    )
    return _RankProcess(number, process, said)


def _wait_for_ranks(ranks: Sequence[_RankProcess], forwarded: Sequence[int]) -> int:
    first: _RankProcess | None = None
    until_s = 0.0
    while any(rank.process.poll() is None for rank in ranks):
        if first is None:
            first = next((rank for rank in ranks if rank.process.poll()), None)
            until_s = time.monotonic() + _GRACE_PERIOD_S
        elif time.monotonic() > until_s:
            for rank in ranks:
                rank.process.kill()
        time.sleep(_POLL_S)
    codes = [int(rank.process.returncode) for rank in ranks]
    first = first or next((rank for rank in ranks if rank.process.returncode), None)
    if first is None:
        return 0
    # One that only says that another is gone is not the one to be asked.
    lost = RankLostError.exit_code
    told = [rank for rank in ranks if rank.process.returncode not in (0, lost)]
    first = first if first in told or not told else told[0]
    code = int(first.process.returncode)
    if -code in forwarded:
        raise RankStoppedBySignal(-code)
    if codes[0] != code:
        _print_stderr_tail(first)
    if code < 0:
        raise RankLostError(
            f"process {first.number} of {len(ranks)} was ended by {signal.Signals(-code).name}, "
            "and the others with it"
        )
    if code == lost:
        raise RankLostError("the processes of this run did not answer each other any more")
    return code


def _print_stderr_tail(rank: _RankProcess) -> None:
    if rank.stderr is not None:
        rank.stderr.seek(0, os.SEEK_END)
        rank.stderr.seek(max(0, rank.stderr.tell() - _STDERR_TAIL_BYTES))
        sys.stderr.write(rank.stderr.read().decode(errors="replace"))
        sys.stderr.flush()


@contextlib.contextmanager
def _forward_signals(ranks: list[_RankProcess], forwarded: list[int]) -> Iterator[None]:
    def pass_on(number: int, frame: FrameType | None) -> None:
        forwarded.append(number)
        for rank in ranks:
            with contextlib.suppress(ProcessLookupError):
                rank.process.send_signal(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, pass_on) for number in _FORWARDED_SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
