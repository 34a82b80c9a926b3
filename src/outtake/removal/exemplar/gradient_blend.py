"""Compose a picture from its slopes, so that the seams between its pieces do not show."""

from __future__ import annotations

import numpy as np

from outtake.core.compiled_loops import compile_loop
from outtake.removal.exemplar.patch_match import Floats, Places

# Successive over-relaxation needs rounds in proportion to the size of the hole.
_ROUNDS_PER_PX, _MIN_ROUNDS, _MAX_ROUNDS = 1.5, 20, 400


@compile_loop
def _is_inside(row: int, column: int, height: int, width: int) -> bool:
    """Return True if a position lies in the picture."""
    return 0 <= row < height and 0 <= column < width


@compile_loop
def blend_gradients(picture: Floats, hole: Places, offsets: Places, size_px: int) -> None:
    """Give the hole the slopes of the places that it is copied from, and the colours of its rim.

    Solves the Poisson equation (Perez et al. 2003) by successive over-relaxation from the colours
    in the hole. Between two pixels that are copied from different places, the slope is the mean of
    those at both.

    Args:
        picture: The picture; changed in the hole, (H, W, C).
        hole: Rows and columns of the pixels of the hole, (m, 2).
        offsets: Rows and columns from each pixel to the place that it is copied from, 0 outside of
            the hole, (H, W, 2). The place and its four neighbours, as far as they lie in the
            picture, are not in the hole.
        size_px: The longer side of the hole, on which the relaxation depends.
    """
    height, width, channels = picture.shape
    source = picture.copy()
    slopes = np.zeros((len(hole), channels), np.float32)
    counts = np.zeros(len(hole), np.float32)
    for i in range(len(hole)):
        row, column = hole[i, 0], hole[i, 1]
        for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            if not _is_inside(row + down, column + across, height, width):
                continue
            counts[i] += 1
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
                        total += source[b_row, b_column, c] - source[a_row, a_column, c]
                        found += 1
                if found > 0:
                    slopes[i, c] += total / found
    relaxation = np.float32(2 / (1 + np.sin(np.pi / (size_px + 1))))
    rounds = int(min(max(_ROUNDS_PER_PX * size_px, _MIN_ROUNDS), _MAX_ROUNDS))
    for _ in range(rounds):
        for i in range(len(hole)):
            row, column = hole[i, 0], hole[i, 1]
            for c in range(channels):
                total = -slopes[i, c]
                for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                    if _is_inside(row + down, column + across, height, width):
                        total += picture[row + down, column + across, c]
                change = total / counts[i] - picture[row, column, c]
                picture[row, column, c] += relaxation * change
