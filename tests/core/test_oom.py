"""Full memory is recognised, whoever ran out of it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch

from outtake.core.oom import is_out_of_memory, mentions_out_of_memory

TOO_MUCH = 1 << 50  # bytes; more than a process can address
SIDE = 1 << 25


@pytest.mark.parametrize(
    "ask",
    [
        lambda: np.empty(TOO_MUCH, np.uint8),
        lambda: torch.empty(TOO_MUCH, dtype=torch.uint8),
        lambda: cv2.resize(np.zeros((2, 2), np.uint8), (SIDE, SIDE)),
    ],
    ids=["numpy", "torch", "opencv"],
)
def test_each_library_is_understood(ask: Callable[[], object]) -> None:
    try:
        ask()
    except Exception as error:
        assert is_out_of_memory(error)
    else:
        pytest.fail("there was as much memory")


def test_a_device_that_is_full_is_understood() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert is_out_of_memory(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), ValueError("out of memory"), OSError(12, "x")]
)
def test_other_errors_are_not(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_the_end_of_a_log_is_read_for_it() -> None:
    assert mentions_out_of_memory("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")
    assert mentions_out_of_memory("step 3\ntorch.OutOfMemoryError: CUDA")
    assert not mentions_out_of_memory("step 3\nRuntimeError: shapes differ")
