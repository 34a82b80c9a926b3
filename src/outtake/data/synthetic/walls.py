"""Textures of buildings and streets: walls, roofs, slabs, asphalt, glass."""

from __future__ import annotations

import numpy as np

from outtake.data.synthetic.painting import Colours, Painting, Slices, blend, shade
from outtake.data.synthetic.rng import noise_grid
from outtake.data.synthetic.scene_layout import Rgb

MORTAR: Rgb = (0.80, 0.76, 0.70)


def brick_texture(painting: Painting, at: Slices, colour: Rgb, key: int) -> Colours:
    """Return courses of bricks, each in its own tone, with mortar between."""
    height, width = _window_size(at)
    course = max(3, int(0.024 * painting.layout.unit_px + 0.5))
    length = max(7, int(0.062 * painting.layout.unit_px + 0.5))
    y = np.arange(height)[:, None]
    row = y // course
    x = np.arange(width)[None, :] + (row % 2) * (length // 2)
    tones = noise_grid(key, height // course + 1, width // length + 2)
    tone = 0.80 + 0.34 * tones[row, x // length]
    tone += 0.10 * (painting.grain[at] - 0.5)
    out = shade(tone, colour)
    joint = (y % course == 0) | (x % length == 0)
    mortar = 0.45 * np.array(MORTAR, np.float32) + np.array(colour, np.float32) * 0.45
    out[joint] = mortar
    return out


def plaster_texture(painting: Painting, at: Slices, colour: Rgb, key: int) -> Colours:
    """Return a painted wall: smooth, and a little stained by the noise at its place."""
    del key
    tone = 0.90 + 0.16 * painting.soft[at] + 0.07 * (painting.grain[at] - 0.5)
    return shade(tone, colour)


def plank_texture(painting: Painting, at: Slices, colour: Rgb, key: int) -> Colours:
    """Return weatherboard: planks that overhang one another."""
    height, width = _window_size(at)
    plank = max(4, int(0.036 * painting.layout.unit_px + 0.5))
    y = np.arange(height)[:, None]
    tones = noise_grid(key, height // plank + 1, 1)[y // plank, 0]
    step = (y % plank).astype(np.float32) * (1 / (plank - 1))
    tone = 0.90 + 0.10 * tones + 0.08 * step
    tone = np.where(y % plank == 0, tone * 0.70, tone)
    tone = tone + 0.10 * (painting.grain[at] - 0.5)
    return shade(np.broadcast_to(tone, (height, width)), colour)


def roof_tile_texture(painting: Painting, at: Slices, colour: Rgb, key: int) -> Colours:
    """Return roof tiles: staggered rows, darker where one lies under the next."""
    height, width = _window_size(at)
    course = max(4, int(0.030 * painting.layout.unit_px + 0.5))
    length = max(5, int(0.034 * painting.layout.unit_px + 0.5))
    y = np.arange(height)[:, None]
    row = y // course
    x = np.arange(width)[None, :] + (row % 2) * (length // 2)
    tones = noise_grid(key, height // course + 1, width // length + 2)
    tone = 0.78 + 0.26 * tones[row, x // length]
    tone += 0.14 * (y % course).astype(np.float32) * (1 / course)
    tone = np.where((y % course == 0) | (x % length == 0), tone * 0.74, tone)
    return shade(tone, colour)


def slab_texture(painting: Painting, at: Slices, colour: Rgb, key: int) -> Colours:
    """Return paving in rows that grow towards the viewer."""
    height, width = _window_size(at)
    unit = painting.layout.unit_px
    line = np.zeros(height, np.int64)
    joints = np.zeros(height, np.bool_)
    top, row, course = 0.0, 0, 0.026 * unit
    while top < height:
        line[int(top) :] = row
        joints[int(top) : int(top) + 1] = True
        top, row, course = top + max(3.0, course), row + 1, course * 1.3
    count = max(1, int(width / (0.12 * unit) + 0.5))
    # Joints that lean like the shadows do: upright ones would look like a wall.
    lean = (np.arange(height)[:, None] * 3) // 4
    place = (np.arange(width)[None, :] + lean) % width * count
    column, rest = place // width, place % width
    tones = noise_grid(key, row + 1, count)
    y = line[:, None]
    tone = 0.88 + 0.14 * tones[y, column]
    tone += 0.12 * (painting.soft[at] - 0.5) + 0.16 * (painting.grain[at] - 0.5)
    tone = np.where(joints[:, None] | (rest < count), tone * 0.80, tone)
    return shade(tone, colour)


def asphalt_texture(painting: Painting, at: Slices, colour: Rgb) -> Colours:
    """Return tarmac: dark, grainy, with worn patches."""
    tone = 0.72 + 0.40 * painting.soft[at] + 0.42 * (painting.grain[at] - 0.5)
    return shade(tone, colour)


def glass_texture(at: Slices, reflection: float) -> Colours:
    """Return a window pane with the sky across one corner."""
    height, width = _window_size(at)
    y = (np.arange(height, dtype=np.float32)[:, None] + 0.5) * (1 / max(height, 1))
    x = (np.arange(width, dtype=np.float32)[None, :] + 0.5) * (1 / max(width, 1))
    across = x + y - reflection
    streak = np.where(np.abs(across) < 0.2, 0.45, 0.1).astype(np.float32) + 0.25 * (1.0 - y)
    return blend((0.16, 0.22, 0.32), (0.74, 0.86, 0.94), streak)


def _window_size(at: Slices) -> tuple[int, int]:
    return at[0].stop - at[0].start, at[1].stop - at[1].start
