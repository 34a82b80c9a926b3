"""What exceptions of a fit say about its settings."""

from __future__ import annotations

import pytest
import torch

from outtake.core.errors import ConfigError, NonFiniteLossError, OutputError
from outtake.sweeps.trial_callback import _check_metrics, status_of_error
from outtake.sweeps.trial_result import (
    TrialStatus,
)


def test_exceptions_that_are_results() -> None:
    try:
        try:
            raise torch.OutOfMemoryError("CUDA")
        except RuntimeError as error:
            raise OutputError("one line") from error
    except OutputError as error:
        assert status_of_error(error) is TrialStatus.OUT_OF_MEMORY
    assert (
        status_of_error(RuntimeError("can't allocate memory: 3 bytes")) is TrialStatus.OUT_OF_MEMORY
    )
    assert status_of_error(NonFiniteLossError("nan")) is TrialStatus.DIVERGED
    assert status_of_error(RuntimeError("shape mismatch")) is None


LOGGED = ["train/loss", "val/loss", "val/miou"]


@pytest.mark.parametrize(
    ("metric", "advice"),
    [
        ("miou", "did you mean val/miou"),
        ("val/mious", "did you mean val/miou"),
        ("train/loss", "did you mean val/loss"),
        ("speed", "it has val/loss, val/miou, forward_ms, parameters"),
    ],
)
def test_what_no_result_has_is_no_objective(metric: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=f"the result of a trial has no {metric}; {advice}"):
        _check_metrics(["val/miou", metric], LOGGED)


def test_what_a_result_has_is_one() -> None:
    _check_metrics(["val/miou", "val/loss", "forward_ms", "parameters", "epoch"], LOGGED)
