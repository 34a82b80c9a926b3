"""Find the pixels whose samples are outvoted by those of more references, in compiled loops.

The samples of one pixel may all show something that passes through the picture. Over more frames
most samples show what stands still, and have one colour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.types import Frame
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.read_pixels import Flags, Shades, is_known
from outtake.removal.clean_plate.sample_medians import STEPS_PER_GREY, sum_middles

# Colours are the same if they differ by no more in each channel: so much is explained by noise,
# light and a shift by a part of a pixel.
_SAME_COLOUR = 32 * STEPS_PER_GREY
# A colour outvotes another with so many samples, if the other has less than this share of them, and
# it has itself at least this share of all.
_LEAST_VOTES, _OUTVOTED_SHARE, _MAJORITY = 4, 0.34, 0.5

# A poll asks for one pixel of each square of 2 x 2.
POLL_STEP_PX = 2

Colour = NDArray[np.int32]


def find_settled(votes: Flags, asked: Flags) -> NDArray[np.bool_]:
    """Return the tiles in which a poll found no colour that could be outvoted, bool (k,).

    Args:
        votes: How many references have the colour of each pixel that was asked for, (k, m).
        asked: How many show it, (k, m).
    """
    outvoted = (asked >= _LEAST_VOTES) & (votes < _OUTVOTED_SHARE * asked)
    return np.asarray(~outvoted.any(axis=1), bool)


@compile_loop
def poll_reference(
    image: Frame,
    brightness: Flags,
    side: int,
    places: Floats,
    selected: NDArray[np.bool_],
    gains: Floats,
    offsets: Floats,
    score: float,
    limit: float,
    colours: Floats,
    counts: Flags,
    most_voters: int,
    votes: Flags,
    asked: Flags,
    limits: Floats,
) -> None:
    """Count the vote of one more reference on the colours of tiles, by the pixel that is nearest.

    That costs a small part of a sample, so samples are taken only of tiles in which a colour could
    be outvoted. A quarter of the pixels is asked for: what passes through the picture covers more
    than one.

    Args:
        image: The reference, none of which is better than those before, (H, W, 3).
        brightness: Its brightness, as :class:`BufferedFrame` has it, (H, W).
        side: The side of a tile in pixels.
        places: Where the tiles lie in it, as ``place_tiles`` writes them, (k, 6).
        selected: The tiles for which it is asked, (k,).
        gains: The factors that adapt its colours, (3,).
        offsets: What is then added, (3,).
        score: Its residual in grey levels.
        limit: The largest residual that is as good.
        colours: The colours in grey levels, (k, n, 3).
        counts: The number of samples that they are medians of, (k, n).
        most_voters: The largest number of references of a pixel: it ends where none of them can
            outvote its colour any more.
        votes: How many references have the colour of each pixel that is asked for, changed, (k, m).
        asked: How many show it, changed, (k, m).
        limits: The largest residual that is good enough, changed, (k, m).
    """
    across, half = side // POLL_STEP_PX, np.float32((side - 1) / 2)
    same = np.float32(_SAME_COLOUR / STEPS_PER_GREY)
    for k in range(len(selected)):
        if not selected[k]:
            continue
        place = places[k]
        for m in range(across * across):
            if limits[k, m] < score or votes[k, m] >= _OUTVOTED_SHARE * most_voters:
                continue
            # In turn another pixel of the square, so that no row and no column is left out.
            square_x, square_y = m % across, m // across
            column = POLL_STEP_PX * square_x + square_y % POLL_STEP_PX
            row = POLL_STEP_PX * square_y + square_x % POLL_STEP_PX
            dx, dy = np.float32(column) - half, np.float32(row) - half
            x = float(place[0] + place[2] * dx + place[3] * dy)
            y = float(place[1] + place[4] * dx + place[5] * dy)
            if not is_known(brightness, x, y):
                continue
            limits[k, m] = min(limits[k, m], limit)
            asked[k, m] += 1
            i = row * side + column
            if not counts[k, i]:
                continue
            shown = image[int(np.floor(y + 0.5)), int(np.floor(x + 0.5))]
            furthest = np.float32(0)
            for c in range(3):
                colour = np.float32(shown[c]) * gains[c] + offsets[c]
                furthest = max(furthest, abs(colour - colours[k, i, c]))
            votes[k, m] += furthest <= same


@compile_loop
def _has_colour(samples: Shades, j: int, i: int, colour: Colour) -> bool:
    """Return True if sample j of pixel i has that colour."""
    furthest = np.int32(0)
    for c in range(3):
        furthest = max(furthest, abs(np.int32(samples[j, 3 * i + c]) - colour[c]))
    return bool(furthest <= _SAME_COLOUR)


@compile_loop
def _count_votes(samples: Shades, count: np.int64, i: int, colour: Colour) -> np.int64:
    """Return how many of the first samples of pixel i have that colour."""
    votes = np.int64(0)
    for j in range(count):
        if _has_colour(samples, j, i, colour):
            votes += 1
    return votes


@compile_loop
def _find_commonest(samples: Shades, count: np.int64, i: int, commonest: Colour) -> np.int64:
    """Write the sample of pixel i whose colour most have; return how many have it."""
    most, colour = np.int64(0), np.empty(3, np.int32)
    for j in range(count):
        for c in range(3):
            colour[c] = samples[j, 3 * i + c]
        votes = _count_votes(samples, count, i, colour)
        if votes > most:
            most = votes
            commonest[:] = colour
    return most


@compile_loop
def _copy_voters(
    samples: Shades, count: np.int64, i: int, colour: Colour, voters: Shades
) -> np.int64:
    """Copy the samples of pixel i that have that colour; return their number."""
    taken = np.int64(0)
    for j in range(count):
        if _has_colour(samples, j, i, colour):
            voters[taken] = samples[j, 3 * i : 3 * i + 3]
            taken += 1
    return taken


@compile_loop
def replace_outvoted(
    own: Shades, own_counts: Flags, more: Shades, more_counts: Flags, colours: Floats
) -> None:
    """Replace colours that are outvoted by those of more references.

    A colour that is outvoted is replaced by the median of the samples that have the commonest one:
    of its own samples where there are any, since they are aligned best.

    Args:
        own: The samples that the colours are medians of, (k, depth, 3 * n).
        own_counts: Their number, at least 1 where a colour was replaced; changed, (k, n).
        more: The samples of more references, (k, depth, 3 * n).
        more_counts: Their number, (k, n).
        colours: The colours in grey levels, changed, (k, n, 3).
    """
    sums, commonest, here = np.empty(3, np.int32), np.empty(3, np.int32), np.empty(3, np.int32)
    voters = np.empty((max(own.shape[1], more.shape[1]), 3), np.int16)
    scale = np.float32(0.5 / STEPS_PER_GREY)
    for k in range(len(own)):
        for i in range(own_counts.shape[1]):
            count, own_count = np.int64(more_counts[k, i]), np.int64(own_counts[k, i])
            if count < _LEAST_VOTES:
                continue
            votes_here = np.int64(0)
            if own_count:
                for c in range(3):
                    here[c] = np.int32(np.rint(colours[k, i, c] * STEPS_PER_GREY))
                votes_here = _count_votes(more[k], count, i, here)
                if votes_here >= _OUTVOTED_SHARE * count:
                    continue  # whatever the others are, it is not outvoted
            most = _find_commonest(more[k], count, i, commonest)
            if most < max(_LEAST_VOTES, _MAJORITY * count):
                continue
            if own_count and votes_here >= _OUTVOTED_SHARE * most:
                continue
            taken = _copy_voters(own[k], own_count, i, commonest, voters)
            if not taken:
                taken = _copy_voters(more[k], count, i, commonest, voters)
            sum_middles(voters, taken, sums)
            for c in range(3):
                colours[k, i, c] = np.float32(sums[c]) * scale
            own_counts[k, i] = max(own_counts[k, i], 1)
