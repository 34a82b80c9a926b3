"""Calls that wait for a dashboard: in order, and never more than fit."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Call = TypeVar("Call")


class BoundedQueue(Generic[Call]):
    """A queue between one thread that must not wait and one that may.

    Args:
        max_items: that wait at a time.
        max_bytes: that they hold together.
    """

    def __init__(self, max_items: int = 10_000, max_bytes: int = 64 * 2**20) -> None:
        self._most_calls = max_items
        self._most_bytes = max_bytes
        self._waiting: deque[tuple[Call, int]] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting)

    def put(self, call: Call, size_bytes: int = 0) -> bool:
        """Let a call wait; False, at once, if there is no room for it or nobody takes it.

        A call that is larger than everything that may wait has room if nothing else waits.
        """
        with self._changed:
            full = len(self._waiting) >= self._most_calls or (
                self._waiting and self._bytes + size_bytes > self._most_bytes
            )
            if full or self._closed:
                return False
            self._waiting.append((call, size_bytes))
            self._bytes += size_bytes
            self._changed.notify()
            return True

    def get_batch(self, max_items: int, linger_s: float = 0.0) -> list[Call]:
        """Wait for calls and return the first ``max_items``; none when it is closed and empty.

        Args:
            max_items: calls.
            linger_s: after the first has come, how long others may join it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(
                lambda: len(self._waiting) >= max_items or self._closed, timeout=linger_s
            )
            taken = [self._waiting.popleft() for _ in range(min(max_items, len(self._waiting)))]
            self._bytes -= sum(size for _, size in taken)
            return [call for call, _ in taken]

    def close(self) -> None:
        """Take no further calls; those that wait are still taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def clear(self) -> int:
        """Close, forget what waits, and return how many calls that was."""
        with self._changed:
            self._closed = True
            forgotten = len(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            self._changed.notify()
            return forgotten
