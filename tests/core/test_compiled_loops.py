from __future__ import annotations

import subprocess
import sys

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


def test_a_change_of_what_a_loop_calls_in_another_file_is_seen(tmp_path):
    called = "from outtake.core.compiled_loops import compile_loop\n@compile_loop\ndef by(x):\n"
    (tmp_path / "caller.py").write_text(
        "from outtake.core.compiled_loops import compile_loop\nfrom called import by\n"
        "from constants import MORE\n"
        "@compile_loop\ndef work(x):\n    return by(x) + MORE\n"
    )
    answers = []
    for factor, more in ((2, 0), (3, 0), (3, 1), (3, 1)):
        (tmp_path / "called.py").write_text(f"{called}    return {factor} * x\n")
        (tmp_path / "constants.py").write_text(f"MORE = {more}\n")
        program = "import caller; print(caller.work(5), sum(caller.work.stats.cache_hits.values()))"
        # A .pyc does not notice a change within the second that keeps the size.
        command = [sys.executable, "-B", "-c", program]
        said = subprocess.check_output(command, cwd=tmp_path, text=True)
        answers.append(said.split())
    assert answers == [["10", "0"], ["15", "0"], ["16", "0"], ["16", "1"]]


def test_of_several_processes_one_compiles_and_the_others_take_what_it_made(tmp_path):
    (tmp_path / "loops.py").write_text(
        "from outtake.core.compiled_loops import compile_loop\n"
        "@compile_loop\ndef half(x):\n    return x / 2\n"
        "@compile_loop\ndef quarter(x):\n    return half(half(x))\n"
    )
    program = (
        "import sys, loops\nsys.stdin.read()\n"
        "print(loops.quarter(6.0), *(sum(f.stats.cache_misses.values())"
        " for f in (loops.half, loops.quarter)))"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [
        subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, **pipes) for _ in range(3)
    ]
    for process in processes:
        process.stdin.close()
    said = sorted(process.stdout.read().split() for process in processes)
    assert [process.wait() for process in processes] == [0, 0, 0]
    # A function that is taken from the cache brings those that it calls with it.
    assert said == [["1.5", "0", "0"], ["1.5", "0", "0"], ["1.5", "1", "1"]]


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
