"""Signal handlers: the only module that sets them and puts them back.

Python runs signal handlers in the main thread and lets only that thread set them. In any other
thread the context managers here do nothing.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any, TypeAlias

_STANDARD_ERROR = 2

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


def in_main_thread() -> bool:
    """Return whether this thread may set signal handlers."""
    return threading.current_thread() is threading.main_thread()


def set_handlers(handlers: Mapping[int, Handler]) -> dict[int, Handler]:
    """Set handlers for good and return those that were there; none outside the main thread.

    A handler that was not set from Python is None, and None is left as it is.
    """
    if not in_main_thread():
        return {}
    return {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if handler is not None
    }


@contextmanager
def handle_signals(handlers: Mapping[int, Handler]) -> Iterator[bool]:
    """Set handlers and put the former ones back at the end.

    Yields:
        Whether the handlers were set: False outside the main thread.
    """
    former = set_handlers(handlers)
    try:
        yield in_main_thread()
    finally:
        set_handlers(former)


@contextmanager
def keep_handlers(*numbers: int) -> Iterator[None]:
    """Put back the present handlers at the end, for libraries that set their own."""
    former = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        set_handlers(former)


@contextmanager
def defer_signals(*numbers: int) -> Iterator[None]:
    """Let signals take effect after the block, which must not be torn.

    Args:
        numbers: The signals; SIGINT and SIGTERM by default.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    with handle_signals(dict.fromkeys(numbers or (signal.SIGINT, signal.SIGTERM), note)):
        yield
    if received:
        signal.raise_signal(received[0])


@contextmanager
def raise_on_signal(number: int, error: Callable[[], BaseException]) -> Iterator[None]:
    """Raise an exception where the main thread is when a signal comes.

    Args:
        number: The signal.
        error: Makes the exception.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise error()

    with handle_signals({number: interrupt}):
        yield


def ignore_sigint() -> AbstractContextManager[bool]:
    """Ignore Ctrl-C in the block, which must come to its end and is short."""
    return handle_signals({signal.SIGINT: signal.SIG_IGN})


@contextmanager
def exit_at_interrupt() -> Iterator[None]:
    """Let Ctrl-C end the process at once in the block: one line, and exit code 130.

    For imports and the composing of a config, before anything is begun that must end in order.
    Raised there, a KeyboardInterrupt may be lost or become another error: callbacks of the import
    system drop it, and extension modules take it for a failure of their own.
    A handler that somebody else has set, or SIGINT being ignored, is left as it is.
    """
    is_own = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with handle_signals({signal.SIGINT: _exit_interrupted} if is_own else {}):
        yield


def raise_at_interrupt() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, within :func:`exit_at_interrupt`: work begins."""
    if signal.getsignal(signal.SIGINT) is _exit_interrupted:
        set_handlers({signal.SIGINT: signal.default_int_handler})


def _exit_interrupted(number: int, frame: FrameType | None) -> None:
    # sys.stderr may be in the middle of a write.
    os.write(_STANDARD_ERROR, b"interrupted\n")
    os._exit(128 + number)
