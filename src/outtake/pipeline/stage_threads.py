"""Stages that overlap: each runs in a thread of its own, with a bounded queue behind it."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Generic, Self, TypeVar

import cv2

from outtake.core.signals import ignore_sigint

T = TypeVar("T")

log = logging.getLogger(__name__)

# How often a waiting thread checks whether it must stop.
_POLL_INTERVAL_S = 0.1
_JOIN_TIMEOUT_S = 60.0
# Python lets a thread run for 5 ms before it checks whether another one wants to run; a stage that
# returns from OpenCV and calls it again would wait as long.
_SWITCH_INTERVAL_S = 1e-4


def limit_library_threads() -> None:
    """Prepare this process for stages that run in parallel.

    OpenCV's own threads cost more than they gain where stages overlap already.
    """
    cv2.setNumThreads(1)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)


@dataclass(frozen=True, slots=True)
class _QueuedItem(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class _EndOfStage:
    error: BaseException | None = None


class StageThreads:
    """Runs iterators in threads, so that a chain of stages takes the time of its slowest.

    Python's own work is still done by one thread at a time; decoding, networks, OpenCV and
    encoding release the interpreter. Enter it, build the chain with :meth:`run`, and consume its
    end inside; leaving stops every thread.

    Attributes:
        busy_s: The seconds that each stage worked, without waiting for others.
    """

    def __init__(self) -> None:
        self.busy_s: dict[str, float] = defaultdict(float)
        self._waited_s: dict[int, float] = defaultdict(float)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            log.info("stopping; a moment")
        with self._lock:
            threads = list(self._threads)
        with ignore_sigint():
            for thread in threads:
                thread.join(_JOIN_TIMEOUT_S)

    def run(self, name: str, items: Iterable[T], *, max_queued: int = 2) -> Iterator[T]:
        """Return what ``items`` yields, made in a thread, at most ``max_queued`` items early.

        The thread starts with the first item asked for. An exception in it is raised here.

        Args:
            name: The name under which its time is counted; several stages may share one.
            items: The items, consumed in the thread.
            max_queued: The number of items that wait at most.
        """
        output_queue: queue.Queue[_QueuedItem[T] | _EndOfStage] = queue.Queue(max(max_queued, 1))
        thread = threading.Thread(
            target=self._run_stage,
            args=(name, items, output_queue),
            name=f"outtake-{name}",
            daemon=True,
        )
        with self._lock:
            thread.start()
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        while True:
            begin = perf_counter()
            entry = self._get(output_queue)
            self._waited_s[threading.get_ident()] += perf_counter() - begin
            if isinstance(entry, _EndOfStage):
                if entry.error is not None:
                    raise entry.error
                return
            yield entry.value
            del entry  # a frame that was passed on must not be held until the next one comes

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Count the time of the block as work of the stage ``name``, in any thread."""
        own = threading.get_ident()
        begin, waited_s = perf_counter(), self._waited_s[own]
        try:
            yield
        finally:
            waited_s = self._waited_s[own] - waited_s
            self.busy_s[name] += perf_counter() - begin - waited_s

    def _run_stage(
        self, name: str, items: Iterable[T], output_queue: queue.Queue[_QueuedItem[T] | _EndOfStage]
    ) -> None:
        source = iter(items)
        end = _EndOfStage()
        try:
            while not self._stop.is_set():
                with self.measure(name):
                    item = next(source, end)
                if isinstance(item, _EndOfStage):
                    break
                self._put(output_queue, _QueuedItem(item))
                del item
        except BaseException as error:
            end = _EndOfStage(error)
        finally:
            with suppress(Exception):  # nothing depends on what is abandoned
                close = getattr(source, "close", None)
                if close is not None:
                    close()
            self._put(output_queue, end)

    def _get(
        self, output_queue: queue.Queue[_QueuedItem[T] | _EndOfStage]
    ) -> _QueuedItem[T] | _EndOfStage:
        # The thread that fills the queue may have been stopped: do not wait for ever.
        while True:
            try:
                return output_queue.get(timeout=_POLL_INTERVAL_S)
            except queue.Empty:
                if self._stop.is_set():
                    return _EndOfStage()

    def _put(
        self,
        output_queue: queue.Queue[_QueuedItem[T] | _EndOfStage],
        entry: _QueuedItem[T] | _EndOfStage,
    ) -> None:
        while not self._stop.is_set():
            with suppress(queue.Full):
                output_queue.put(entry, timeout=_POLL_INTERVAL_S)
                return
