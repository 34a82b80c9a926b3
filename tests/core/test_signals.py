"""Ctrl-C before a program has begun its work."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from outtake.core.signals import exit_at_interrupt, raise_at_interrupt

SCRIPT = """
import signal
from outtake.core.signals import exit_at_interrupt, raise_at_interrupt
with exit_at_interrupt():
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        print("lost")
"""


def test_ctrl_c_in_imports_ends_the_process_whatever_takes_exceptions_there():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_ctrl_c_is_raised_where_work_has_begun_and_after_the_block():
    with exit_at_interrupt():
        raise_at_interrupt()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_what_others_do_at_ctrl_c_stays():
    seen = []
    former = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        with exit_at_interrupt():
            raise_at_interrupt()
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, former)
    assert seen == [signal.SIGINT] * 2
