"""Compiled loops that sample the tiles of a hole region in other frames.

A region is covered by k tiles of n pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.types import Frame
from outtake.motion.homography import Homography
from outtake.motion.warp import Points
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.read_pixels import (
    Flags,
    Shades,
    choose_block,
    is_known,
    project,
    read_colour,
    read_tile,
)
from outtake.removal.clean_plate.sample_medians import STEPS_PER_GREY
from outtake.removal.clean_plate.tiles import BLOCK_PX, SUPPORT_PX

# What a frame shows of a tile.
NOTHING, PART, ALL = 0, 1, 2
# Pixels that no sample of their tile covers are sampled one by one, this often at most.
_MAX_PIXEL_SAMPLES = 5


@compile_loop
def place_tiles(
    homography: Homography,
    centres: Points,
    side: int,
    clearance: Flags,
    brightness: Flags,
    places: Floats,
    shown: Flags,
) -> None:
    """Find where tiles lie in another frame, and what it shows of them.

    Args:
        homography: From the frame of the tiles to the other, (3, 3).
        centres: The centres of the tiles, (k, 2).
        side: The side of a tile in pixels.
        clearance: That of the other frame, as ``compute_clearance`` returns it.
        brightness: That of the other frame, as :class:`BufferedFrame` has it, (H, W).
        places: The centres there and the Jacobians of the homography; written, (k, 6).
        shown: NOTHING, PART or ALL; written, (k,).
    """
    half = (side - 1) / 2
    for k in range(len(centres)):
        x, y = float(centres[k, 0]), float(centres[k, 1])
        there_x, there_y = project(homography, x, y)
        depth = homography[2, 0] * x + homography[2, 1] * y + homography[2, 2]
        inverse = 1.0 / max(depth, 1e-4)
        places[k, 0], places[k, 1] = there_x, there_y
        for column in range(2):
            for row, there in ((0, there_x), (1, there_y)):
                rise = homography[row, column] - there * homography[2, column]
                places[k, 2 + 2 * row + column] = rise * inverse
        across = abs(places[k, 2]) + abs(places[k, 3])
        down = abs(places[k, 4]) + abs(places[k, 5])
        reach = max(across, down) * half + SUPPORT_PX
        column = int(np.floor((there_x + 0.5) / BLOCK_PX))
        row = int(np.floor((there_y + 0.5) / BLOCK_PX))
        shown[k] = NOTHING
        if row < 0 or column < 0 or row >= clearance.shape[0] or column >= clearance.shape[1]:
            continue
        around = clearance[row, column]
        if around >= reach:
            shown[k] = ALL
        elif around > 0:
            for dy in (-half, half):
                for dx in (-half, half):
                    corner_x = there_x + places[k, 2] * dx + places[k, 3] * dy
                    corner_y = there_y + places[k, 4] * dx + places[k, 5] * dy
                    if is_known(brightness, corner_x, corner_y):
                        shown[k] = PART


@compile_loop
def select_references(
    shown: Flags,
    scores: Floats,
    max_samples: int,
    max_extra: int,
    tolerance: float,
    same: float,
    selected: NDArray[np.bool_],
    mixed: NDArray[np.bool_],
) -> None:
    """Select references for tiles.

    A reference that shows a tile in part is taken in addition: it does not help the other pixels
    of the tile.

    Args:
        shown: What r references, the best first, show of the tiles, (r, k).
        scores: The residuals of the references, (r,).
        max_samples: The number of references that show a tile whole.
        max_extra: The number of references in addition.
        tolerance: The largest residual as a multiple of the best one.
        same: Added to it, in grey levels.
        selected: The references of each tile; written, (r, k).
        mixed: True for tiles of which a selected reference shows a part; written, (k,).
    """
    count = len(scores)
    for k in range(shown.shape[1]):
        mixed[k] = False
        first, first_whole, whole = -1, -1, 0
        for r in range(count):
            selected[r, k] = False
            if shown[r, k] != NOTHING and first < 0:
                first = r
            if shown[r, k] == ALL and first_whole < 0:
                first_whole = r
        if first < 0:
            continue
        for r in range(count):
            if shown[r, k] == ALL and scores[r] <= scores[first] * tolerance + same:
                whole += 1
        takes_parts = whole < max_samples
        if first_whole >= 0:
            first = first_whole
        elif not takes_parts:
            continue
        limit = scores[first] * tolerance + same
        whole, taken = 0, 0
        for r in range(count):
            is_part = shown[r, k] == PART
            if shown[r, k] == NOTHING or (is_part and not takes_parts):
                continue
            taken += 1
            if whole < max_samples and taken <= max_samples + max_extra and scores[r] <= limit:
                selected[r, k] = True
                mixed[k] |= is_part
            whole += not is_part


@compile_loop
def sample_reference(
    image: Frame,
    brightness: Flags,
    side: int,
    places: Floats,
    selected: NDArray[np.bool_],
    mixed: NDArray[np.bool_],
    gains: Floats,
    offsets: Floats,
    score: float,
    limit: float,
    samples: Shades,
    counts: Flags,
    limits: Floats,
) -> None:
    """Add the samples of one reference behind those of the others.

    Args:
        image: The reference, (H, W, 3).
        brightness: Its brightness, as :class:`BufferedFrame` has it, (H, W).
        side: The side of a tile in pixels.
        places: Where the tiles lie in it, as :func:`place_tiles` writes them, (k, 6).
        selected: The tiles that are sampled, (k,).
        mixed: The tiles for whose pixels it is decided one by one whether it is good enough, (k,).
        gains: The factors that adapt its colours, (3,).
        offsets: What is then added, (3,).
        score: Its residual in grey levels.
        limit: The largest residual that is as good.
        samples: The samples, changed, (k, depth, 3 * n).
        counts: Their number, changed, (k, n).
        limits: The largest residual that is good enough, changed, (k, n).
    """
    pixels, length = side * side, 3 * side
    # Once for all tiles: it takes as long as a tile.
    rows = image.reshape(image.shape[0], 3 * image.shape[1])
    factors, shifts = np.empty(length, np.float32), np.empty(length, np.float32)
    for i in range(length):
        factors[i], shifts[i] = gains[i % 3] * STEPS_PER_GREY, offsets[i % 3] * STEPS_PER_GREY
    lines = np.empty((side + 3, 3 * side), np.int32)
    colours = np.empty((side, 3 * side), np.int16)
    for k in range(len(selected)):
        if not selected[k]:
            continue
        place = places[k]
        read_tile(image, rows, place, side, choose_block(place, side), lines, colours)
        for row in range(side):
            shown = colours[row]
            for i in range(length):
                shown[i] = np.int16(np.rint(np.float32(shown[i]) * factors[i] + shifts[i]))
        if not mixed[k]:
            into = samples[k, counts[k, 0]]
            for row in range(side):
                into[row * length : (row + 1) * length] = colours[row]
            for i in range(pixels):
                counts[k, i] += 1
            continue
        half = np.float32((side - 1) / 2)
        for i in range(pixels):
            dx, dy = np.float32(i % side) - half, np.float32(i // side) - half
            x = float(place[0] + place[2] * dx + place[3] * dy)
            y = float(place[1] + place[4] * dx + place[5] * dy)
            if limits[k, i] < score or not is_known(brightness, x, y):
                continue
            limits[k, i] = min(limits[k, i], limit)
            for c in range(3):
                samples[k, counts[k, i], 3 * i + c] = colours[i // side, 3 * (i % side) + c]
            counts[k, i] += 1


@compile_loop
def sample_pixels(
    image: Frame,
    brightness: Flags,
    homography: Homography,
    centres: Points,
    side: int,
    missing: NDArray[np.bool_],
    gains: Floats,
    offsets: Floats,
    score: float,
    limit: float,
    sums: Floats,
    counts: Flags,
    limits: Floats,
) -> None:
    """Add the colours that one reference shows of missing pixels, of which the mean is taken.

    Args:
        image: The reference, (H, W, 3).
        brightness: Its brightness, as :class:`BufferedFrame` has it, (H, W).
        homography: From the frame to the reference, (3, 3).
        centres: The centres of the tiles, (k, 2).
        side: The side of a tile in pixels.
        missing: The pixels that are sampled, (k, n).
        gains: The factors that adapt the colours of the reference, (3,).
        offsets: What is then added, (3,).
        score: Its residual in grey levels.
        limit: The largest residual that is as good.
        sums: The sums of the colours, changed, (k, n, 3).
        counts: The number of samples, changed, (k, n).
        limits: The largest residual that is good enough, changed, (k, n).
    """
    half = (side - 1) / 2
    for k in range(len(centres)):
        for i in range(side * side):
            if not missing[k, i] or counts[k, i] >= _MAX_PIXEL_SAMPLES or limits[k, i] < score:
                continue
            x, y = project(
                homography, centres[k, 0] + i % side - half, centres[k, 1] + i // side - half
            )
            if not is_known(brightness, x, y):
                continue
            colour = read_colour(image, x, y)
            for c in range(3):
                sums[k, i, c] += np.float32(colour[c]) * gains[c] + offsets[c]
            counts[k, i] += 1
            limits[k, i] = min(limits[k, i], limit)


@compile_loop
def show_points(brightness: Flags, homography: Homography, points: Points) -> NDArray[np.bool_]:
    """Return which positions (n, 2) another frame shows, bool (n,).

    Args:
        brightness: That of the other frame, as :class:`BufferedFrame` has it, (H, W).
        homography: From the frame to the other, (3, 3).
        points: The positions.
    """
    shown = np.empty(len(points), np.bool_)
    for i in range(len(points)):
        x, y = project(homography, float(points[i, 0]), float(points[i, 1]))
        shown[i] = is_known(brightness, x, y)
    return shown
