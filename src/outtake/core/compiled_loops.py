"""Compile loops over pixels to machine code, where steps on whole arrays would be memory traffic.

Numba compiles a function when it is first called, and keeps the result in a cache beside the
module, or in the user's cache folder if nothing can be written there. It looks at the function's
own file for changes; here, functions that are called from other files and constants count too. Of
several processes that need the same one, one compiles it and the others take it from the cache.
Nothing is reordered or contracted, so results do not depend on the processor.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numba.core import event
from numba.core.compiler_lock import global_compiler_lock

from outtake.core.file_lock import wait_for

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compile_loop(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return a function compiled to machine code; it lets other threads run meanwhile."""
    compiler = partial(numba.njit, nogil=True, error_model="numpy")
    try:
        compiled = compiler(cache=True)(function)
        with suppress(AttributeError):  # NUMBA_DISABLE_JIT leaves it a function without a cache
            file = compiled._cache._cache_file
            file._source_stamp = _add_what_it_uses(function, file._source_stamp)
            _let_one_process_compile(compiled, function.__module__)
    except RuntimeError:  # neither folder can be written: it is compiled in each process anew
        compiled = compiler()(function)
    return cast("Callable[Parameters, Result]", compiled)


def _let_one_process_compile(compiled: Any, module: str) -> None:
    """Make other processes wait while one compiles a function of a module.

    Locks cannot wait for each other in a circle: a function is compiled before those that call it,
    and modules do not import each other in circles.
    """
    lock = Path(compiled.stats.cache_path) / f"{module}.compile.lock"
    compile_or_load = compiled.compile

    def compile_alone(signature: Any) -> Any:
        # Numba lets one thread compile at a time; the lock of the process comes after that of
        # threads, or two threads would each hold what the other waits for.
        with global_compiler_lock, _hold_lock(lock):
            return compile_or_load(signature)

    compiled.compile = compile_alone


_locks_of_this_process: set[Path] = set()


@contextmanager
def _hold_lock(path: Path) -> Iterator[None]:
    """Lock a file, waiting for others; do without where it cannot be made or is locked here."""
    with ExitStack() as stack:
        if path not in _locks_of_this_process:
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(path.open("ab"))
                wait_for(file.fileno())
                _locks_of_this_process.add(path)
                stack.callback(_locks_of_this_process.discard, path)
        yield


def _add_what_it_uses(function: Any, own_stamp: object) -> str:
    """Return a stamp that also changes with the constants and compiled functions of its module.

    Compiled code holds both as they were. Imports stand before a function is made, so what its
    module has from other files is known then.
    """
    parts = [repr(own_stamp)]
    for name, value in sorted(function.__globals__.items()):
        stamp = getattr(getattr(value, "py_func", None), "compiled_from", None)
        if stamp is not None:
            parts.append(f"{name}: {stamp}")
        elif isinstance(value, np.ndarray):
            parts.append(f"{name} = {value.dtype} {value.shape} {value.tobytes().hex()}")
        elif not name.startswith("__") and _is_constant(value):
            parts.append(f"{name} = {value!r}")
    function.compiled_from = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return str(function.compiled_from)


def _is_constant(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_constant, value))
    return isinstance(value, bool | int | float | str | np.generic)


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
