"""A cache that forgets what was used least recently once it holds too many bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ByteCache(Generic[Key, Value]):
    """Remembers what ``make`` returned, at most ``limit_bytes`` of it, and always the latest.

    Pickled, it is empty: a worker process fills its own.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key, make: Callable[[], Value], size: Callable[[Value], int]) -> Value:
        """Return the value of a key, made now if it is not there; ``size`` counts its bytes."""
        if key not in self._entries:
            value = make()
            self._entries[key] = value, size(value)
            self._bytes += size(value)
            while self._bytes > self._limit_bytes and len(self._entries) > 1:
                self._bytes -= self._entries.popitem(last=False)[1][1]
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_entries": OrderedDict(), "_bytes": 0}
