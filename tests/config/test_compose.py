"""Composition without a command line, and what a printed command begins with."""

from __future__ import annotations

import sys

import pytest

from outtake.config.compose import program_command


@pytest.mark.parametrize(
    ("started", "command"),
    [
        ("/usr/bin/outtake train", "outtake infer-video"),
        ("train.py", "python infer_video.py"),
        ("/a b/outtake", "outtake infer-video"),
    ],
)
def test_a_printed_command_is_of_the_kind_that_was_typed(
    monkeypatch: pytest.MonkeyPatch, started: str, command: str
) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    assert program_command("infer_video") == command
