"""Value noise that repeats along x, so that a camera can pan along it without end."""

from __future__ import annotations

import numpy as np

from outtake.data.synthetic.rng import Plane, noise_grid


def value_noise(key: int, height: int, width: int, cell_px: float) -> Plane:
    """Return smooth noise in [0, 1), float32 (height, width), periodic along x.

    Args:
        key: The key of the noise.
        height: The number of rows.
        width: The number of columns, which is the period.
        cell_px: The size of one blob, in pixels.
    """
    rows = max(1, int(height / cell_px + 0.5))
    columns = max(1, int(width / cell_px + 0.5))
    knots = noise_grid(key, rows + 1, columns)
    row, across = _cell_positions(height, rows)
    lines = knots[row] + across[:, None] * (knots[row + 1] - knots[row])
    column, along = _cell_positions(width, columns)
    left = np.take(lines, column, axis=1)
    step = np.take(lines, (column + 1) % columns, axis=1)
    step -= left
    step *= along
    step += left
    return step


def _cell_positions(
    length: int, cells: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], Plane]:
    position = (np.arange(length) + 0.5) * (cells / length)
    index = position.astype(np.intp)
    t = position - index
    return index, (t * t * (3.0 - 2.0 * t)).astype(np.float32)


def fractal_noise(key: int, height: int, width: int, cell_px: float, octaves: int) -> Plane:
    """Return noise in [0, 1) whose octaves halve in size and strength, periodic along x."""
    total = np.zeros((height, width), np.float32)
    strength, sum_of_strengths = 1.0, 0.0
    for octave in range(octaves):
        if cell_px < 1.0 and octave:
            break
        total += np.float32(strength) * value_noise(key + octave, height, width, cell_px)
        sum_of_strengths += strength
        strength *= 0.55
        cell_px *= 0.5
    total *= np.float32(1.0 / sum_of_strengths)
    return total
