"""The fill of the previous frame, carried to the tiles of this one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.frames import SYNTHESISED
from outtake.core.types import Frame
from outtake.removal.clean_plate.frame_buffer import BufferedFrame
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.read_pixels import Flags, choose_block, read_tile

# Two samples of one spot differ by noise; a larger difference means another spot.
_SAME_SPOT_GREY = np.float32(8.0)


@dataclass(frozen=True, slots=True)
class PreviousFill:
    """The result for the previous frame.

    Attributes:
        frame: The previous frame before it was filled.
        image: The filled image, uint8 (H, W, 3), contiguous and read-only.
        drift: The error in grey levels that propagation may have accumulated, float32 (H, W).
        origin: Where each of its pixels comes from, as in :class:`FillStatistics`, uint8 (H, W).
    """

    frame: BufferedFrame
    image: Frame
    drift: Floats
    origin: NDArray[np.uint8]


@compile_loop
def sample_previous(
    image: Frame,
    origin: Flags,
    drift: Floats,
    places: Floats,
    side: int,
    gains: Floats,
    offsets: Floats,
    colours: Floats,
    visible: NDArray[np.bool_],
    drifts: Floats,
    synthesised: NDArray[np.bool_],
) -> None:
    """Sample tiles in the filled image of the previous frame.

    Args:
        image: The previous frame, filled, (H, W, 3).
        origin: Where its pixels come from, (H, W).
        drift: The error that they may have accumulated, (H, W).
        places: Where the tiles lie in it, as ``place_tiles`` writes them, (k, 6).
        side: The side of a tile in pixels.
        gains: The factors that adapt its colours, (3,).
        offsets: What is then added, (3,).
        colours: The adapted colours; written, (k, n, 3).
        visible: True for tiles that lie completely within the image; written, (k,).
        drifts: The drift of their pixels; written, (k, n).
        synthesised: True for pixels that were synthesised there; written, (k, n).
    """
    height, width = image.shape[0], image.shape[1]
    half = np.float32((side - 1) / 2)
    rows = image.reshape(height, 3 * width)
    lines = np.empty((side + 3, 3 * side), np.int32)
    shades = np.empty((side, 3 * side), np.int16)
    for k in range(len(places)):
        place = places[k]
        reach_x = (abs(place[2]) + abs(place[3])) * half
        reach_y = (abs(place[4]) + abs(place[5])) * half
        visible[k] = (
            place[0] >= reach_x
            and place[1] >= reach_y
            and place[0] + reach_x <= width - 1
            and place[1] + reach_y <= height - 1
        )
        read_tile(image, rows, place, side, choose_block(place, side), lines, shades)
        for i in range(side * side):
            for c in range(3):
                shade = np.float32(shades[i // side, 3 * (i % side) + c])
                colours[k, i, c] = shade * gains[c] + offsets[c]
            dx, dy = np.float32(i % side) - half, np.float32(i // side) - half
            x = float(place[0] + place[2] * dx + place[3] * dy)
            y = float(place[1] + place[4] * dx + place[5] * dy)
            column = min(max(int(np.floor(x + 0.5)), 0), width - 1)
            row = min(max(int(np.floor(y + 0.5)), 0), height - 1)
            drifts[k, i] = drift[row, column]
            # What was synthesised once stays so, however often it is moved along.
            synthesised[k, i] = origin[row, column] == SYNTHESISED


@compile_loop
def blend_previous(
    new: Floats,
    previous: Floats,
    known: NDArray[np.bool_],
    visible: NDArray[np.bool_],
    share: float,
) -> None:
    """Blend the previous colours into the new ones (k, n, 3), in place, where both agree.

    Args:
        new: The new colours, (k, n, 3).
        previous: The previous ones, (k, n, 3).
        known: The pixels that have a new colour, (k, n).
        visible: The tiles that have previous colours, (k,).
        share: The largest share of the previous colours, 0 to 1.
    """
    most = np.float32(share)
    for k in range(len(visible)):
        if not visible[k]:
            continue
        for i in range(new.shape[1]):
            if not known[k, i]:
                continue
            difference = np.float32(0)
            for c in range(3):
                difference = max(difference, abs(previous[k, i, c] - new[k, i, c]))
            weight = 2 * most - 2 * most / _SAME_SPOT_GREY * difference
            weight = min(max(weight, np.float32(0)), most)
            for c in range(3):
                new[k, i, c] += weight * (previous[k, i, c] - new[k, i, c])
