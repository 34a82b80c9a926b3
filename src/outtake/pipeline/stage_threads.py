"""Stages that overlap: each in a thread of its own, with a bounded queue behind it."""

from __future__ import annotations

import logging
import queue
import signal
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

T = TypeVar("T")

log = logging.getLogger(__name__)

# How often a thread that waits looks whether it is to stop.
_POLL_S = 0.1
_JOIN_S = 60.0
# Python lets a thread run for 5 ms before it looks whether another wants to; a stage that comes
# back from OpenCV to call it again would wait as long.
_SWITCH_S = 1e-4


def share_processor() -> None:
    """Prepare this process for stages that run side by side.

    OpenCV's own threads cost more than they bring where stages overlap already.
    """
    cv2.setNumThreads(1)
    sys.setswitchinterval(_SWITCH_S)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait: what is done inside must come to its end, and takes a moment only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM take effect after what is done inside, which must not be torn."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


class Stages:
    """Runs iterators in threads, so that a chain of stages takes the time of its slowest.

    Python's own work is still done by one thread at a time; decoding, networks, OpenCV and
    encoding release the interpreter. Enter it, build the chain with :meth:`run`, and consume its
    end inside; leaving stops every thread.

    Attributes:
        busy_s: seconds that each stage worked, without its waiting for others.
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
        with uninterrupted():
            for thread in threads:
                thread.join(_JOIN_S)

    def run(self, name: str, items: Iterable[T], *, ahead: int = 2) -> Iterator[T]:
        """Return what ``items`` yields, made in a thread, at most ``ahead`` items early.

        The thread starts with the first item asked for. An exception in it is raised here.

        Args:
            name: under which its time is counted; several may share one.
            items: consumed in the thread.
            ahead: how many items wait at most.
        """
        waiting: queue.Queue[_Item[T] | _End] = queue.Queue(max(ahead, 1))
        thread = threading.Thread(
            target=self._work, args=(name, items, waiting), name=f"outtake-{name}", daemon=True
        )
        with self._lock:
            thread.start()
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        while True:
            begin = perf_counter()
            entry = self._get(waiting)
            self._waited_s[threading.get_ident()] += perf_counter() - begin
            if isinstance(entry, _End):
                if entry.error is not None:
                    raise entry.error
                return
            yield entry.value
            del entry  # a frame that was handed on must not be held until the next one comes

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Count what is done inside as work of ``name``, in whichever thread it is done."""
        own = threading.get_ident()
        begin, waited_s = perf_counter(), self._waited_s[own]
        try:
            yield
        finally:
            waited_s = self._waited_s[own] - waited_s
            self.busy_s[name] += perf_counter() - begin - waited_s

    def _work(self, name: str, items: Iterable[T], waiting: queue.Queue[_Item[T] | _End]) -> None:
        source = iter(items)
        end = _End()
        try:
            while not self._stop.is_set():
                with self.timed(name):
                    item = next(source, end)
                if isinstance(item, _End):
                    break
                self._put(waiting, _Item(item))
                del item
        except BaseException as error:
            end = _End(error)
        finally:
            with suppress(Exception):  # closing what is abandoned can not help any more
                close = getattr(source, "close", None)
                if close is not None:
                    close()
            self._put(waiting, end)

    def _get(self, waiting: queue.Queue[_Item[T] | _End]) -> _Item[T] | _End:
        # Whoever is to fill the queue may have been stopped: nobody waits for ever.
        while True:
            try:
                return waiting.get(timeout=_POLL_S)
            except queue.Empty:
                if self._stop.is_set():
                    return _End()

    def _put(self, waiting: queue.Queue[_Item[T] | _End], entry: _Item[T] | _End) -> None:
        while not self._stop.is_set():
            with suppress(queue.Full):
                waiting.put(entry, timeout=_POLL_S)
                return
