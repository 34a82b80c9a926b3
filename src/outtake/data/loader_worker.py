"""What a process that prepares batches does first."""

from __future__ import annotations

import signal

import cv2
import torch


def prepare_worker(_: int) -> None:
    """Prepare the process of a loader of a run of one process."""
    # Ctrl-C in a terminal reaches every process: the training process ends its workers itself,
    # after the running step.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def prepare_rank_worker(number: int) -> None:
    """Prepare the process of a loader of one of several ranks."""
    prepare_worker(number)
    # What ends a run of several processes may go to every process of the machine: the ranks finish
    # the step, for which they need their workers. These end with their rank, however it goes.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
