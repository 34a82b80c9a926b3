"""What exceptions of a fit say about its settings."""

from __future__ import annotations

import torch

from outtake.core.errors import NonFiniteLossError, OutputError
from outtake.sweeps.trial_callback import status_of_error
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
