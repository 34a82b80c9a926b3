"""The processors of this process, and the scheduling of its threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


def usable_processors() -> int:
    """Return the number of processors on which this process may run, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def restore_scheduling() -> Iterator[None]:
    """Return threads that become real-time (``SCHED_FIFO``) inside to ordinary scheduling.

    Nothing else on the machine gets the processor of a real-time thread as long as it works.
    """
    if not hasattr(os, "sched_getscheduler") or not _THREADS.is_dir():
        yield
        return
    urgent = _real_time_threads()
    try:
        yield
    finally:
        for thread in _real_time_threads() - urgent:
            with suppress(OSError):  # it has ended
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _real_time_threads() -> set[int]:
    found = set()
    for entry in _THREADS.iterdir():
        with suppress(OSError):
            if os.sched_getscheduler(int(entry.name)) == os.SCHED_FIFO:
                found.add(int(entry.name))
    return found
