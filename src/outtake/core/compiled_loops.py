"""Compile loops over pixels to machine code, where steps on whole arrays would be memory traffic.

Numba compiles a function when it is first called, and keeps the result in a cache beside the
module, or in the user's cache folder if nothing can be written there. Nothing is reordered or
contracted, so results do not depend on the processor.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core import event

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compile_loop(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return a function compiled to machine code; it lets other threads run meanwhile."""
    compiler = partial(numba.njit, nogil=True, error_model="numpy")
    try:
        compiled = compiler(cache=True)(function)
    except RuntimeError:  # neither folder can be written: it is compiled in each process anew
        compiled = compiler()(function)
    return cast("Callable[Parameters, Result]", compiled)


@contextmanager
def announce_compilation(of: str) -> Iterator[None]:
    """Say so in one line on the standard error stream if something has to be compiled meanwhile.

    Args:
        of: What is compiled.
    """
    with event.install_listener("numba:compile", _Announcer(of)):
        yield


class _Announcer(event.Listener):  # type: ignore[misc]  # the library has no types
    def __init__(self, of: str) -> None:
        self._line: str | None = (
            f"compiling {of} for this machine: about 10 seconds, the first time"
        )

    def on_start(self, event: Any) -> None:
        line, self._line = self._line, None
        if line is not None:
            print(line, file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        """Do nothing: what follows shows that it went on."""
