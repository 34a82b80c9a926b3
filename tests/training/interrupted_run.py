"""Ends a run of this process at a place, and resumes it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outtake.config.compose import compose
from outtake.programs.train import train
from outtake.training.task import SegmentationTask


def end_at(
    monkeypatch: pytest.MonkeyPatch, hook: str, nth: int, number: int = signal.SIGTERM
) -> None:
    """Send this process a signal at the n-th call of a hook of the task."""
    calls = []
    former: Callable[..., Any] = getattr(SegmentationTask, hook)

    def counted(task: SegmentationTask, *arguments: Any) -> Any:
        calls.append(0)
        if len(calls) == nth:
            os.kill(os.getpid(), number)
        return former(task, *arguments)

    monkeypatch.setattr(SegmentationTask, hook, counted)


def go_on(run: Path, *changed: str) -> None:
    """Resume a run with some keys changed."""
    train(compose("train", [f"resume={run}", *changed]), overrides=changed)
