"""Solve many tridiagonal systems at once: smoothing along the columns of pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def smooth_columns(planes: Floats, coupling: Floats) -> None:
    """Smooth each column of each plane in place: little change, small steps where they are dear.

    For a column u the result v minimises
    ``sum (v[i] - u[i])^2 + sum coupling[i] * (v[i + 1] - v[i])^2``, which is one tridiagonal
    system. It is eliminated from both ends to the middle and substituted back, so that NumPy is
    called half as often, for twice as many numbers; all that is added up is positive, so nothing
    cancels.

    Args:
        planes: float32 (C, N, M), which are changed.
        coupling: float32 (N - 1, M), at least 0: how much a pixel and the one below it pull each
            other, in all planes.
    """
    count, length, columns = planes.shape
    if length < 2:
        return
    half = (length + 1) // 2
    odd = length % 2
    # Axes: distance from an end, which end, plane, column. Of an odd number of rows the lower half
    # begins with one more that nothing pulls at.
    halves = np.empty((half, 2, count, columns), np.float32)
    halves[0, 1] = 0
    halves[:, 0] = planes[:, :half].transpose(1, 0, 2)
    halves[odd:, 1] = planes[:, half:][:, ::-1].transpose(1, 0, 2)
    pull = np.zeros((half, 2, 1, columns), np.float32)
    pull[: half - 1, 0, 0] = coupling[: half - 1]
    pull[odd : half - 1, 1, 0] = coupling[half:][::-1]
    share, scale = _eliminated_coefficients(pull)
    rows, shares = list(halves), list(share)
    carried = np.empty_like(rows[0])
    for step in range(1, half):
        np.multiply(rows[step - 1], shares[step - 1], out=carried)
        np.add(rows[step], carried, out=rows[step])
    halves[:-1] *= scale[:-1]
    _solve_middle(rows[-1], scale[-1, :, 0], coupling[half - 1])
    for step in range(half - 2, -1, -1):
        np.multiply(rows[step + 1], shares[step], out=carried)
        np.add(rows[step], carried, out=rows[step])
    planes[:, :half] = halves[:, 0].transpose(1, 0, 2)
    planes[:, half:] = halves[odd:, 1][::-1].transpose(1, 0, 2)


def _eliminated_coefficients(pull: Floats) -> tuple[Floats, Floats]:
    """Return what a row hands on to the next, as a share of it, and the inverse diagonal.

    Both (half, 2, 1, M). The diagonal of the last row lacks its coupling to the other half.
    """
    share, diagonal = np.zeros_like(pull), np.empty_like(pull)
    pulls, shares, diagonals = list(pull), list(share), list(diagonal)
    # What holds a row in place: its own value, and through its coupling what lies before it.
    held = np.ones_like(pulls[0])
    for step in range(len(pulls)):
        np.add(held, pulls[step], out=diagonals[step])
        np.divide(pulls[step], diagonals[step], out=shares[step])
        np.multiply(held, shares[step], out=held)
        np.add(held, 1, out=held)
    return share, np.reciprocal(diagonal, out=diagonal)


def _solve_middle(row: Floats, inverse: Floats, between: Floats) -> None:
    """Solve for the two rows that meet, (2, C, M), in place.

    ``inverse`` is the inverse diagonal (2, M) of each without the coupling ``between`` (M,) of
    the two.
    """
    upper_held, lower_held = 1 / inverse[0], 1 / inverse[1]
    together = 1 / (upper_held * lower_held + between * (upper_held + lower_held))
    upper, lower = row
    pulled = between * (upper + lower)
    row[0], row[1] = (
        (lower_held * upper + pulled) * together,
        (upper_held * lower + pulled) * together,
    )
