"""Jobs that a cluster preempts: saved between two steps, and asked to run again.

There are two ways. SLURM sends SIGUSR1 where the job asked for it (``--signal=USR1@90``), and the
job is requeued by ``scontrol``. submitit has set a handler of its own, which writes down what must
run again and ends the process at any line: it is called, but only when the checkpoint is saved.
The same command runs again; ``resume=auto`` makes it resume.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

from outtake.training.distributed.launch_environment import global_rank

_REQUEUE_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
_TIMEOUT_S = 60.0


def requeue_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that ask this process to end and its job to run again."""
    slurm = (signal.SIGUSR1,) if "SLURM_JOB_ID" in os.environ else ()
    return tuple(
        number
        for number in _REQUEUE_SIGNALS
        if number in slurm or _is_launcher_handler(signal.getsignal(number))
    )


def is_requeue_signal(number: int) -> bool:
    """Return whether a signal asks for the job to run again."""
    return number in _REQUEUE_SIGNALS


def requeue_job(number: int, handler: Any) -> None:
    """Ask for this job to run again; only the first rank does.

    Args:
        number: The number of the signal.
        handler: The handler of the signal from before the run set its own.
    """
    if _is_launcher_handler(handler):
        handler(number, None)
    elif not global_rank():
        _scontrol_requeue()


def _scontrol_requeue() -> None:
    job = os.environ.get("SLURM_JOB_ID", "")
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array:
        job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    try:
        done = subprocess.run(
            ["scontrol", "requeue", job],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        said, failed = " ".join((done.stderr or done.stdout).split()), done.returncode != 0
    except (OSError, subprocess.TimeoutExpired) as error:
        said, failed = str(error), True
    if failed:
        print(f"job {job} was not requeued: scontrol: {said}", file=sys.stderr, flush=True)
    else:
        print(f"job {job} is requeued", file=sys.stderr, flush=True)


def _is_launcher_handler(handler: Any) -> bool:
    # Handlers that were not set from Python, as those of faulthandler, are None.
    return callable(handler) and handler not in (signal.SIG_DFL, signal.SIG_IGN)
