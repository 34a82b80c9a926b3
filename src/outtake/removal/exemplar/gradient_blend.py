"""Compose a picture from its slopes, so that the seams between its pieces do not show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.removal.exemplar.patch_match import Floats, Places

# What a cell of a grid is: its colour is given, or sought, or it lies beyond the picture.
_GIVEN, _SOUGHT, _BEYOND = np.uint8(0), np.uint8(1), np.uint8(2)
# Sweeps before and after each coarser grid, on the coarsest one, and how often all is done again.
_SWEEPS, _COARSEST_SWEEPS, _CYCLES = 3, 30, 40
_COARSEST_SIDE = 4
# A cycle that changes no pixel by more ends the work: what is left is less than what it changed.
_LARGEST_CHANGE_GREY = 0.1

Cells = NDArray[np.uint8]


def blend_gradients(picture: Floats, hole: Places, offsets: Places) -> None:
    """Give the hole the slopes of the places that it is copied from, and the colours of its rim.

    Solves the Poisson equation (Perez et al. 2003) for what has to be added to the colours in the
    hole, by multigrid (Brandt 1977): what varies slowly is found on grids of half the size, of a
    quarter, and so on. Between two pixels that are copied from different places, the slope is the
    mean of those at both.

    Args:
        picture: The picture; changed in the hole, (H, W, C).
        hole: Rows and columns of the pixels of the hole, (m, 2).
        offsets: Rows and columns from each pixel to the place that it is copied from, 0 outside of
            the hole, (H, W, 2). The place and its four neighbours, as far as they lie in the
            picture, are not in the hole.
    """
    if not len(hole):
        return
    # A cell around the hole on each side, which may lie beyond the picture.
    top, left = hole.min(axis=0) - 1
    bottom, right = hole.max(axis=0) + 2
    height, width = picture.shape[:2]
    cells = np.full((bottom - top, right - left), _GIVEN, np.uint8)
    cells[: max(-top, 0)], cells[:, : max(-left, 0)] = _BEYOND, _BEYOND
    cells[len(cells) - max(bottom - height, 0) :] = _BEYOND
    cells[:, cells.shape[1] - max(right - width, 0) :] = _BEYOND
    cells[hole[:, 0] - top, hole[:, 1] - left] = _SOUGHT
    wanted = np.zeros((*cells.shape, picture.shape[2]), np.float32)
    _find_excess(picture, hole, offsets, wanted, top, left)
    added = np.zeros_like(wanted)
    for _ in range(_CYCLES):
        before = added.copy()
        _run_cycle(cells, wanted, added)
        # Not the errors of the equations: these are small long before a large hole is solved.
        if np.abs(added - before).max() < _LARGEST_CHANGE_GREY:
            break
    rows, columns = hole[:, 0], hole[:, 1]
    picture[rows, columns] += added[rows - top, columns - left]


def _run_cycle(cells: Cells, wanted: Floats, added: Floats) -> None:
    """Improve a solution once: by sweeps, on a coarser grid, and by sweeps again.

    Args:
        cells: What each cell is, (h, w).
        wanted: What a cell that is sought, times its neighbours, has to exceed their sum by,
            (h, w, C).
        added: The solution, changed; 0 where it is not sought, (h, w, C).
    """
    if max(cells.shape) <= _COARSEST_SIDE:
        _sweep(cells, wanted, added, _COARSEST_SWEEPS)
        return
    _sweep(cells, wanted, added, _SWEEPS)
    size = tuple(-(-side // 2) for side in cells.shape)
    coarse_cells = np.empty(size, np.uint8)
    coarse_wanted = np.zeros((*size, wanted.shape[2]), np.float32)
    _coarsen(cells, wanted, added, coarse_cells, coarse_wanted)
    if (coarse_cells == _SOUGHT).any():
        coarse = np.zeros_like(coarse_wanted)
        _run_cycle(coarse_cells, coarse_wanted, coarse)
        _refine(cells, coarse_cells, coarse, added)
    _sweep(cells, wanted, added, _SWEEPS)


@compile_loop
def _is_inside(row: int, column: int, height: int, width: int) -> bool:
    """Return True if a position lies in the picture."""
    return 0 <= row < height and 0 <= column < width


@compile_loop
def _find_excess(
    picture: Floats, hole: Places, offsets: Places, excess: Floats, top: int, left: int
) -> None:
    """Write by how much the slopes that a pixel should have differ from those that it has.

    Args:
        picture: The picture, (H, W, C).
        hole: Rows and columns of the pixels of the hole, (m, 2).
        offsets: As in :func:`blend_gradients`.
        excess: The difference, summed over the neighbours of each pixel, changed, (h, w, C).
        top: The row of the picture at which ``excess`` begins.
        left: The column.
    """
    height, width, channels = picture.shape
    for i in range(len(hole)):
        row, column = hole[i, 0], hole[i, 1]
        for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            if not _is_inside(row + down, column + across, height, width):
                continue
            for c in range(channels):
                total, found = np.float32(0), 0
                for other in range(2):
                    offset = offsets[row + other * down, column + other * across]
                    if other == 1 and offset[0] == 0 and offset[1] == 0:
                        continue  # the rim: its place is itself, and next to that is the hole
                    a_row, a_column = row + offset[0], column + offset[1]
                    b_row, b_column = a_row + down, a_column + across
                    if _is_inside(a_row, a_column, height, width) and _is_inside(
                        b_row, b_column, height, width
                    ):
                        total += picture[b_row, b_column, c] - picture[a_row, a_column, c]
                        found += 1
                slope = picture[row + down, column + across, c] - picture[row, column, c]
                if found > 0:
                    slope -= total / found
                excess[row - top, column - left, c] += slope


@compile_loop
def _sweep(cells: Cells, wanted: Floats, added: Floats, rounds: int) -> None:
    """Solve each cell for its neighbours, one after the other (Gauss-Seidel)."""
    height, width, channels = wanted.shape
    for _ in range(rounds):
        for row in range(height):
            for column in range(width):
                if cells[row, column] != _SOUGHT:
                    continue
                count = np.float32(0)
                for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                    near_row, near_column = row + down, column + across
                    if not _is_inside(near_row, near_column, height, width):
                        continue
                    count += cells[near_row, near_column] != _BEYOND
                if count == 0:
                    continue
                for c in range(channels):
                    total = wanted[row, column, c]
                    for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                        near_row, near_column = row + down, column + across
                        if _is_inside(near_row, near_column, height, width):
                            total += added[near_row, near_column, c]
                    added[row, column, c] = total / count


@compile_loop
def _error_at(cells: Cells, wanted: Floats, added: Floats, row: int, column: int, c: int) -> float:
    """Return what is missing in the equation of a cell."""
    error = float(wanted[row, column, c])
    for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        near_row, near_column = row + down, column + across
        if not _is_inside(near_row, near_column, len(cells), cells.shape[1]):
            continue
        if cells[near_row, near_column] != _BEYOND:
            error += added[near_row, near_column, c] - added[row, column, c]
    return error


@compile_loop
def _coarsen(
    cells: Cells, wanted: Floats, added: Floats, coarse_cells: Cells, coarse_wanted: Floats
) -> None:
    """Write the grid of half the size, and the errors that are left as what is wanted there.

    A cell of it is sought if all four are that do not lie beyond the picture. What is wanted is
    four times the mean of their errors, because its side is twice as long.
    """
    height, width, channels = wanted.shape
    for row in range(len(coarse_cells)):
        for column in range(coarse_cells.shape[1]):
            sought, given = 0, 0
            for k in range(4):
                at_row, at_column = 2 * row + k // 2, 2 * column + k % 2
                if _is_inside(at_row, at_column, height, width):
                    sought += cells[at_row, at_column] == _SOUGHT
                    given += cells[at_row, at_column] == _GIVEN
            coarse_cells[row, column] = _GIVEN if given else _SOUGHT if sought else _BEYOND
            if given or not sought:
                continue
            for k in range(4):
                at_row, at_column = 2 * row + k // 2, 2 * column + k % 2
                if not _is_inside(at_row, at_column, height, width):
                    continue
                if cells[at_row, at_column] == _SOUGHT:
                    for c in range(channels):
                        error = _error_at(cells, wanted, added, at_row, at_column, c)
                        coarse_wanted[row, column, c] += error * 4 / sought


@compile_loop
def _refine(cells: Cells, coarse_cells: Cells, coarse: Floats, added: Floats) -> None:
    """Add what was found on the grid of half the size, interpolated linearly.

    Beyond the picture it goes on as it is at the border.
    """
    height, width, channels = added.shape
    rows, columns = coarse_cells.shape
    for row in range(height):
        for column in range(width):
            if cells[row, column] != _SOUGHT:
                continue
            own_row, own_column = row // 2, column // 2
            near_row = min(max(own_row + (1 if row % 2 else -1), 0), rows - 1)
            near_column = min(max(own_column + (1 if column % 2 else -1), 0), columns - 1)
            if coarse_cells[near_row, own_column] == _BEYOND:
                near_row = own_row
            if coarse_cells[own_row, near_column] == _BEYOND:
                near_column = own_column
            for c in range(channels):
                near = coarse[near_row, own_column, c] + coarse[own_row, near_column, c]
                corner = coarse[near_row, near_column, c]
                added[row, column, c] += (
                    9 * coarse[own_row, own_column, c] + 3 * near + corner
                ) / 16
