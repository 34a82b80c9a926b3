"""The task of the tests of callbacks."""

from __future__ import annotations

import pytest

from outtake.training.task import SegmentationTask
from tests.training.callbacks.fake_trainer import make_task


@pytest.fixture
def task() -> SegmentationTask:
    return make_task()
