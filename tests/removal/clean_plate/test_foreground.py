"""What moves about before the background and stays is not shown in the place of what is removed."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.mask_blocks import enlarge_blocks, reduce_to_blocks
from outtake.removal.clean_plate.frame_buffer import FrameBuffer
from outtake.removal.clean_plate.hole_regions import find_hole_regions
from outtake.removal.clean_plate.remover import CleanPlate
from tests.removal.clean_plate.clips import disc, hide, psnr, texture, view

BACKGROUND = view(texture(1), 100)
RED = np.array((220, 20, 20), np.uint8)
MASKS = [disc(20 + 8 * number) for number in range(14)]
BEHIND = 6  # the hole is before x=68 then


def stand_at(left: int, hole: np.ndarray, *, told: bool = True) -> MaskedFrame:
    """Return a frame in which somebody in red stands, behind what is removed."""
    image, foreground = BACKGROUND.copy(), np.zeros_like(hole)
    foreground[30:80, left : left + 12] = True
    image[foreground] = RED
    blocks = reduce_to_blocks(foreground & ~hole)
    return replace(hide(image, hole), foreground=blocks if told else None)


def walk_on(places: Sequence[int], *, told: bool = True) -> FilledFrame:
    """Return the filled frame in which the hole is before x=68, of a clip of somebody in red."""
    clip = [stand_at(x, hole, told=told) for x, hole in zip(places, MASKS, strict=True)]
    return list(CleanPlate()(clip))[BEHIND]


def count_red(filled: FilledFrame) -> int:
    inside = filled.frame.image[MASKS[BEHIND]].astype(int)
    return int((np.abs(inside - RED).max(axis=1) < 40).sum())


def test_somebody_who_goes_away_at_last_is_not_shown_behind_the_hole():
    places = [64] * 11 + [110, 112, 114]
    filled = walk_on(places)
    assert count_red(filled) == 0
    assert psnr([BACKGROUND], [filled.frame.image], [MASKS[BEHIND]]) > 40
    assert count_red(walk_on(places, told=False)) > 100


def test_somebody_who_stands_there_in_every_frame_is_shown_whole():
    filled = walk_on([64] * 14)
    assert count_red(filled) > 250
    truth = stand_at(64, np.zeros_like(MASKS[0])).frame.image
    assert psnr([truth], [filled.frame.image], [MASKS[BEHIND]]) > 30
    assert filled.statistics is not None and filled.statistics.synthesised < 0.02


def test_the_foreground_is_no_part_of_a_ring():
    item = stand_at(80, MASKS[BEHIND])
    (window,) = FrameBuffer(1, 1 << 30)([item])
    (region,) = find_hole_regions(window.centre, 4)
    x, y = region.ring_points.astype(int).T
    assert item.foreground is not None
    foreground = enlarge_blocks(item.foreground, BACKGROUND.shape[:2])
    assert len(x) > 30 and not foreground[y, x].any()
    inside, part = region.frame_slices(*BACKGROUND.shape[:2])
    assert region.rim.any() and not (region.rim[part] & foreground[inside]).any()


def test_what_passes_before_somebody_who_stands_there_is_filled_with_them():
    # All of the ring is on the one who stands there, and none of the background is behind the hole.
    inside = texture(7)[:, 40:120].astype(np.uint8)
    truth, foreground = BACKGROUND.copy(), np.zeros_like(MASKS[0])
    foreground[10:90, 30:110] = True
    truth[10:90, 30:110] = inside[10:90]
    masks = [disc(56 + 4 * number, radius=6) for number in range(8)]
    clip = [
        replace(hide(truth, hole), foreground=reduce_to_blocks(foreground & ~hole))
        for hole in masks
    ]
    filled = list(CleanPlate()(clip))
    assert psnr([truth] * 8, [one.frame.image for one in filled], masks) > 35
    assert all(one.statistics.synthesised == 0 for one in filled if one.statistics)
