"""A fork that stands for a program is heard, and ends, as a process of its own."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from benchmarks.reliability.forked_programs import ForkedProgram
from outtake.programs.entry_points import PROGRAMS


def speak() -> None:
    print(sys.argv[1:], os.getcwd(), os.environ["GIVEN"])
    warnings.warn("a warning", UserWarning, stacklevel=1)
    logging.getLogger("a.library").warning("a record")
    os.write(2, b"a line of a library in C\n")
    sys.exit(3)


def wait_in_vain() -> None:
    print("begun", flush=True)
    threading.Event().wait(60)


def say_what_is_there() -> None:
    print("torch" in sys.modules, len(list(Path("/proc/self/task").iterdir())))


def test_everything_that_it_says_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROGRAMS, "infer-video", speak)
    environment = {**os.environ, "GIVEN": "this"}
    done = ForkedProgram("infer_video", ["a=1"], tmp_path, tmp_path / "said", environment).finish()
    assert done.returncode == 3 and done.stdout == f"['a=1'] {tmp_path} this\n"
    for said in ("UserWarning: a warning", "a record", "a line of a library in C"):
        assert done.stderr.count(said) == 1, done.stderr


def test_one_that_does_not_end_is_killed_and_says_where_it_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROGRAMS, "verify", wait_in_vain)
    program = ForkedProgram("verify", [], tmp_path, tmp_path / "said")
    said = tmp_path / "said" / "stdout"
    limit_s = time.monotonic() + 60
    while time.monotonic() < limit_s and not (said.is_file() and said.read_text()):
        time.sleep(0.01)
    assert program.poll() is None
    with pytest.raises(TimeoutError, match=r"(?s)verify\.py.* did not end.*in wait_in_vain"):
        program.finish(0.05)
    assert program.poll() == -signal.SIGABRT


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are not listed here")
def test_it_has_no_thread_and_no_lock_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROGRAMS, "verify", say_what_is_there)
    done = ForkedProgram("verify", [], tmp_path, tmp_path / "said").finish()
    assert done.stdout == "True 1\n", done.stderr
