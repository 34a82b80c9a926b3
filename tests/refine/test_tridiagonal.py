from __future__ import annotations

import numpy as np
import pytest

from outtake.refine.tridiagonal import smooth_columns


def dense_solution(column: np.ndarray, coupling: np.ndarray) -> np.ndarray:
    """What all equations of one column at once give."""
    system = np.eye(len(column))
    for row, pull in enumerate(coupling):
        system[row : row + 2, row : row + 2] += pull * np.array([[1, -1], [-1, 1]])
    return np.linalg.solve(system, column)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 9, 12])
@pytest.mark.parametrize("strength", [0.0, 1.0, 300.0])
def test_it_solves_what_a_dense_solver_does(length: int, strength: float) -> None:
    random = np.random.default_rng(length)
    planes = random.random((3, length, 4), np.float32)
    coupling = strength * random.random((length - 1, 4), np.float32)
    found = planes.copy()
    smooth_columns(found, coupling)
    for plane, smoothed in zip(planes, found, strict=True):
        for column in range(4):
            expected = dense_solution(plane[:, column], coupling[:, column])
            assert np.abs(smoothed[:, column] - expected).max() < 1e-5


def test_a_column_that_is_cut_in_two_is_two_columns() -> None:
    random = np.random.default_rng(0)
    planes, coupling = random.random((1, 11, 2), np.float32), np.full((10, 2), 9, np.float32)
    coupling[3] = 0
    whole, upper, lower = planes.copy(), planes[:, :4].copy(), planes[:, 4:].copy()
    smooth_columns(whole, coupling)
    smooth_columns(upper, coupling[:3])
    smooth_columns(lower, coupling[4:])
    assert np.allclose(whole, np.concatenate([upper, lower], axis=1), atol=1e-6)
