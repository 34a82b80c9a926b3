from __future__ import annotations

import numba
import numpy as np

from outtake.core.compiled_loops import announce_compilation, compile_loop


@compile_loop
def total(values):
    found = 0.0
    for value in values:
        found += value
    return found


def test_a_loop_is_compiled_and_gives_what_python_gives():
    assert total(np.arange(5.0)) == 10
    assert np.isnan(total(np.array([np.nan])))


def test_without_a_folder_for_the_cache_it_is_compiled_all_the_same(monkeypatch):
    real = numba.njit

    def refuse(*arguments, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(*arguments, **options)

    monkeypatch.setattr(numba, "njit", refuse)
    assert compile_loop(lambda value: 2 * value)(4) == 8


def test_it_is_said_once_that_something_is_compiled(capsys):
    double, triple = (numba.njit(lambda x, by=by: by * x) for by in (2, 3))
    with announce_compilation("the loops"):
        assert double(4) == 8 and triple(4) == 12
    assert capsys.readouterr().err.splitlines() == [
        "compiling the loops for this machine: about 10 seconds, the first time"
    ]
    with announce_compilation("the loops"):
        assert double(5) == 10
    assert capsys.readouterr().err == ""
