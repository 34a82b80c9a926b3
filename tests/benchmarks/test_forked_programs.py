"""A fork that stands for a program is heard, and ends, as a process of its own."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import warnings
from pathlib import Path

import pytest

from benchmarks.reliability.forked_programs import ForkedProgram
from outtake.programs.entry_points import PROGRAMS


def test_everything_that_it_says_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> None:
        print(sys.argv[1:], os.getcwd(), os.environ["GIVEN"])
        warnings.warn("a warning", UserWarning, stacklevel=1)
        logging.getLogger("a.library").warning("a record")
        os.write(2, b"a line of a library in C\n")
        sys.exit(3)

    monkeypatch.setitem(PROGRAMS, "infer-video", program)
    environment = {**os.environ, "GIVEN": "this"}
    done = ForkedProgram("infer_video", ["a=1"], tmp_path, tmp_path / "said", environment).finish()
    assert done.returncode == 3 and done.stdout == f"['a=1'] {tmp_path} this\n"
    for said in ("UserWarning: a warning", "a record", "a line of a library in C"):
        assert done.stderr.count(said) == 1, done.stderr


def test_one_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROGRAMS, "verify", lambda: time.sleep(60))
    program = ForkedProgram("verify", [], tmp_path, tmp_path / "said")
    assert program.poll() is None
    with pytest.raises(TimeoutError, match=r"verify\.py.* did not end"):
        program.finish(0.05)
    assert program.poll() == -signal.SIGKILL
