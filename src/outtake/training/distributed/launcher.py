"""Starting the ranks of a run on one machine: each is this program with the same command line.

The launching process trains nothing: it forwards signals, and ends the other ranks when one has
died. So a run with several processes ends with the same exit codes as a run with one. (Lightning's
launcher makes the first rank the parent, and kills it as soon as another has ended with a code of
its own, even in the middle of the checkpoint for which both have stopped.)
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from outtake.core.errors import RankLostError
from outtake.core.signals import handle_signals
from outtake.training.distributed.launch_environment import LAUNCHED_RANKS

RUN_DIR_VARIABLE = "OUTTAKE_RUN_DIR"
_FORWARDED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
_POLL_S = 0.05
# After the first rank has failed: the others notice within a step, or wait for it in vain.
_GRACE_PERIOD_S = 15.0
_STDERR_TAIL_BYTES = 4000


class RankStoppedBySignal(Exception):
    """A forwarded signal ended a rank that was not ready to act on it.

    Attributes:
        signal_number: The number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal_number = number


@dataclass
class _RankProcess:
    """One process; ``stderr`` is kept of the ranks after the first, which would print the same."""

    number: int
    process: subprocess.Popen[bytes]
    stderr: IO[bytes] | None


def launch_ranks(count: int, run_dir: Path) -> int:
    """Run this program in several processes until all have ended.

    Args:
        count: The number of processes.
        run_dir: The run folder, on which they could not agree if its name is a time.

    Returns:
        The exit code of the first rank, or of the rank that made the others end.

    Raises:
        RankLostError: A rank was killed.
        RankStoppedBySignal: A signal came before the ranks were ready for it; nothing was done yet.
    """
    ranks: list[_RankProcess] = []
    forwarded: list[int] = []
    with _forward_signals(ranks, forwarded):
        try:
            port = _free_port()
            for number in range(count):
                if forwarded:
                    raise RankStoppedBySignal(forwarded[0])
                ranks.append(_start_rank(number, count, port, run_dir))
            return _wait_for_ranks(ranks, forwarded)
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
    first_ended = _wait_until_all_ended(ranks)
    codes = [int(rank.process.returncode) for rank in ranks]
    if not any(codes):
        return 0
    # Prefer the rank that failed first over ranks that only report a lost peer.
    failed = [rank for rank, code in zip(ranks, codes, strict=True) if code]
    causes = [rank for rank in failed if rank.process.returncode != RankLostError.exit_code]
    candidates = causes or failed
    cause = first_ended if first_ended in candidates else candidates[0]
    code = codes[cause.number]
    if -code in forwarded:
        raise RankStoppedBySignal(-code)
    if codes[0] != code:
        _print_stderr_tail(cause)
    if code < 0:
        raise RankLostError(
            f"process {cause.number} of {len(ranks)} was ended by {signal.Signals(-code).name}, "
            "and the others with it"
        )
    if code == RankLostError.exit_code:
        raise RankLostError("the processes of this run did not answer each other any more")
    return code


def _wait_until_all_ended(ranks: Sequence[_RankProcess]) -> _RankProcess | None:
    """Return the rank that failed first; the others are killed after a period of grace."""
    first_ended: _RankProcess | None = None
    until_s = 0.0
    while any(rank.process.poll() is None for rank in ranks):
        if first_ended is None:
            first_ended = next((rank for rank in ranks if rank.process.poll()), None)
            until_s = time.monotonic() + _GRACE_PERIOD_S
        elif time.monotonic() > until_s:
            for rank in ranks:
                rank.process.kill()
        time.sleep(_POLL_S)
    return first_ended


def _print_stderr_tail(rank: _RankProcess) -> None:
    if rank.stderr is not None:
        rank.stderr.seek(0, os.SEEK_END)
        rank.stderr.seek(max(0, rank.stderr.tell() - _STDERR_TAIL_BYTES))
        sys.stderr.write(rank.stderr.read().decode(errors="replace"))
        sys.stderr.flush()


@contextlib.contextmanager
def _forward_signals(ranks: list[_RankProcess], forwarded: list[int]) -> Iterator[None]:
    def forward(number: int, frame: FrameType | None) -> None:
        forwarded.append(number)
        for rank in ranks:
            with contextlib.suppress(ProcessLookupError):
                rank.process.send_signal(number)

    with handle_signals(dict.fromkeys(_FORWARDED_SIGNALS, forward)):
        yield


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
