"""Memory: what is free, what this process took, and shared memory that is full or missing."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from outtake.core.errors import SharedMemoryError

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
# What torch says of it, and of a process that wrote to memory which was not there.
_SHARED_MEMORY_TEXT = re.compile(
    r"shared memory|/torch_\d|DataLoader worker .*(?:Bus error|exited unexpectedly)", re.DOTALL
)


def free_memory_bytes() -> int | None:
    """Return how much memory this process may still take; None where the system does not say."""
    free: list[int] = []
    with suppress(OSError, ValueError, IndexError):
        lines = _MEMINFO.read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        free.append(int(available.split()[1]) * 1024)
    with suppress(OSError, ValueError):  # of the container; "max" is no number
        limit = int((_CGROUP / "memory.max").read_text())
        free.append(limit - int((_CGROUP / "memory.current").read_text()))
    return max(min(free), 0) if free else None


def peak_memory_bytes() -> int:
    """Return the most memory that this process has had resident so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others KiB


def lacks_shared_memory(error: BaseException) -> bool:
    """Return whether processes failed because they have no memory in common."""
    inner: BaseException | None = error
    while inner is not None:
        # Where /dev/shm has no room at all, multiprocessing cannot make its locks; Lightning then
        # fails over the loader that did not begin.
        if isinstance(inner, OSError) and _is_of_multiprocessing(inner):
            return True
        if isinstance(inner, RuntimeError) and _SHARED_MEMORY_TEXT.search(str(inner)):
            return True
        inner = inner.__cause__ or inner.__context__
    return False


def _is_of_multiprocessing(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and "multiprocessing" in trace.tb_frame.f_code.co_filename


@contextmanager
def explain_shared_memory(workers_key: str) -> Iterator[None]:
    """Explain in one line that processes which prepare batches cannot hand them over.

    Args:
        workers_key: The option that sets their number.

    Raises:
        SharedMemoryError: Shared memory is full or missing.
    """
    try:
        yield
    except (RuntimeError, OSError) as error:
        if not lacks_shared_memory(error):
            raise
        raise shared_memory_error(workers_key) from error


def shared_memory_error(workers_key: str) -> SharedMemoryError:
    """Return the error, with what to do."""
    return SharedMemoryError(
        "the processes that prepare batches cannot hand them over: shared memory (/dev/shm) is "
        f"full or missing; set {workers_key}=0, or give it more room (docker run --shm-size=2g)"
    )
