"""Things that move by themselves behind a hole, carried through it by their own motion.

A part at the rim of the hole that contradicts the still background is followed through the frames
before and after. Where it goes on moving by itself, what the hole hides of it is copied from the
frame in which the visible rest is most like it: so limbs are in the same phase. Whatever is
doubtful is left out, and the still background stays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.removal.clean_plate.carried_layer import LayerSource, MovingLayer
from outtake.removal.clean_plate.layer_motion import split_by_velocity
from outtake.removal.clean_plate.layer_support import (
    covers_points,
    find_own_parts,
    find_support,
    grow_box,
    keep_joined,
    moved_by,
    see_support,
    velocities_at,
)
from outtake.removal.clean_plate.layer_tracking import LayerPoints, LayerPosition, track_layer
from outtake.removal.clean_plate.moving_mask import Flags, MovingMask
from outtake.removal.clean_plate.small_frames import SmallFrame

# Lengths as fractions of the reduced frame's height: how much of a layer is looked at, how far a
# hidden part may reach, and how near the rim points weigh most.
_VISIBLE_REACH, _HIDDEN_REACH, _NEAR = 0.3, 0.35, 0.1
_MIN_CONTACT, _MIN_AREA = 0.02, 0.0008
_POINTS = 150
# A layer is one if it is recognised in so many frames, so much better where it moved than where
# it was, at such a speed in heights per frame.
_MIN_FRAMES, _MIN_GAIN, _MIN_SPEED = 6, 1.5, 0.0015
_MAX_UNLIKE = 30.0
# In which share of the frames something moves along at a pixel of the layer: maybe, likely, surely.
_MAYBE, _LIKELY, _CERTAIN = 0.35, 0.65, 0.85
_MIN_KNOWN = 5
# The hole hides something if there is so much that is likely, in heights squared: a limb that
# swings before what is removed is never likely inside the hole. Limbs swing as far from that.
_MIN_CORE, _LIMB = 0.0006, 0.06
_MIN_PREDICTED = 0.75
_MAX_LACKING = 0.3
_SOURCES = 3


@dataclass(frozen=True, slots=True)
class MovingThings:
    """What moves by itself near the hole of a frame.

    Attributes:
        layers: The layers of which the hole hides something, the largest first.
        here: 1 where one of them, or one before what is removed, is seen, uint8 (h, w).
        parts: The parts of the moving masks of other frames that show them, by frame number.
    """

    layers: list[MovingLayer] = field(default_factory=list)
    here: Flags | None = None
    parts: dict[int, frozenset[int]] = field(default_factory=dict)


def find_moving_things(
    frame: SmallFrame,
    frames: Mapping[int, SmallFrame],
    moving_in: Callable[[int], MovingMask],
    reach_frames: int,
    usable: Collection[int],
) -> MovingThings:
    """Return what moves at the rim of the hole of a reduced frame.

    Args:
        frame: The frame.
        frames: The reduced frames around it, by number.
        moving_in: Returns what moves in one of them.
        reach_frames: How far things are followed.
        usable: The numbers of the frames that may be copied from.
    """
    hole = np.asarray(1 - frame.known, np.uint8)
    things = MovingThings(here=np.zeros_like(hole))
    if not hole.any():
        return things
    moving = moving_in(frame.number)
    height = len(hole)
    rim = cv2.dilate(hole, np.ones((7, 7), np.uint8)) & frame.known
    contact = np.where(rim > 0, moving.labels, 0)
    counts = np.bincount(contact.ravel(), minlength=moving.parts)
    areas = np.bincount(moving.labels.ravel(), minlength=moving.parts)
    for part in np.argsort(-counts[1:], kind="stable") + 1:
        if counts[part] < _MIN_CONTACT * height or areas[part] < _MIN_AREA * height**2:
            continue
        window = grow_box(contact == part, round(_VISIBLE_REACH * height))
        box = grow_box(contact == part, round(_HIDDEN_REACH * height))
        for points in _choose_points(frame, hole, moving, int(part), window, frames):
            positions = track_layer(points, frame, frames, moving_in, reach_frames)
            if not _moves_by_itself(positions, frame.number, height):
                continue
            assert things.here is not None
            things.here[moving.labels == part] = 1
            for one in positions:
                own = np.flatnonzero(find_own_parts(points, moving_in(one.number), moved_by(one)))
                before = things.parts.get(one.number, frozenset())
                things.parts[one.number] = before | set(own.tolist())
            sources, allowed = _choose_sources(
                frame, hole, moving, points, positions, frames, moving_in, usable, box
            )
            if sources:
                things.layers.append(MovingLayer(box, sources, allowed))
    return things


def _choose_points(
    frame: SmallFrame,
    hole: Flags,
    moving: MovingMask,
    part: int,
    window: tuple[slice, slice],
    frames: Mapping[int, SmallFrame],
) -> list[LayerPoints]:
    """Return the points of each thing that moves in a connected part of a frame."""
    own = np.zeros(hole.shape, np.uint8)
    own[window] = moving.labels[window] == part
    reach = 2 * round(_NEAR * len(hole)) + 1
    near = cv2.dilate(hole, np.ones((reach, reach), np.uint8))
    around = cv2.dilate(own, np.ones((9, 9), np.uint8)) & frame.known
    around &= np.asarray(cv2.dilate(own, np.ones((3, 3), np.uint8)) == 0, np.uint8)
    around &= np.asarray(moving.labels == 0, np.uint8)
    inside = np.concatenate([_sample(own & near), _sample(own & (1 - near))])
    outside = _sample(around).astype(np.float32)
    found = []
    for velocity, those in split_by_velocity(inside.astype(np.float32), frame, frames):
        columns, rows = inside[those].T
        colours = np.ascontiguousarray(frame.image[rows, columns])
        found.append(LayerPoints(inside[those].astype(np.float32), colours, outside, velocity))
    return found


def _sample(mask: Flags) -> NDArray[np.intp]:
    rows, columns = np.nonzero(mask)
    step = max(1, -(-len(rows) // _POINTS))
    return np.stack((columns[::step], rows[::step]), axis=1)


def _moves_by_itself(positions: list[LayerPosition], number: int, height: int) -> bool:
    """Return whether a layer was recognised in several frames where it moved, and not in place."""
    apart = [one for one in positions if 3 <= abs(one.number - number) <= 12]
    if len(apart) < _MIN_FRAMES:
        return False
    gain = np.median([one.still_cost / max(one.cost, 1.0) for one in apart])
    speeds = [float(np.linalg.norm(one.shift)) / abs(one.number - number) / height for one in apart]
    return bool(gain >= _MIN_GAIN and np.median(speeds) >= _MIN_SPEED)


def _choose_sources(
    frame: SmallFrame,
    hole: Flags,
    moving: MovingMask,
    points: LayerPoints,
    positions: list[LayerPosition],
    frames: Mapping[int, SmallFrame],
    moving_in: Callable[[int], MovingMask],
    usable: Collection[int],
    box: tuple[slice, slice],
) -> tuple[list[LayerSource], Flags]:
    """Return the frames to copy the hidden part of a layer from, and where it may lie (h, w).

    Nothing is returned where the layer is as likely before what is removed as behind it: then the
    hole hides nothing of it.
    """
    hidden, visible = hole[box] > 0, hole[box] == 0
    supports = [
        find_support(points, moving_in(one.number), moved_by(one), velocity)
        for one, velocity in zip(positions, velocities_at(points, positions, frame), strict=True)
    ]
    told = [
        covers_points(support, points, one, frames[one.number])
        for support, one in zip(supports, positions, strict=True)
    ]
    positions = [one for one, good in zip(positions, told, strict=True) if good]
    supports = [one for one, good in zip(supports, told, strict=True) if good]
    if len(positions) < _MIN_KNOWN:
        return [], hole
    seen = [
        see_support(support, one, frames, box)
        for support, one in zip(supports, positions, strict=True)
    ]
    known = np.sum([shown for _, shown in seen], axis=0)
    share = np.sum([here for here, _ in seen], axis=0) / np.maximum(known, 1)
    share[known < _MIN_KNOWN] = 0
    # What passes the layer in many frames is no part of it: only what is near to what is likely.
    reach = 2 * round(_LIMB * len(hole)) + 1
    likely = (share > _LIKELY).view(np.uint8)
    near = cv2.dilate(likely, np.ones((reach, reach), np.uint8)) > 0
    maybe = near & (share > _MAYBE)
    outline, core = (hidden & maybe).sum(), (hidden & (likely > 0)).sum()
    certain = visible & (share > _CERTAIN)
    if core < _MIN_CORE * len(hole) ** 2:
        return [], hole
    if not certain.any() or (moving.labels[box][certain] > 0).mean() < _MIN_PREDICTED:
        return [], hole
    allowed = np.zeros_like(hole)
    allowed[box] = cv2.dilate(maybe.view(np.uint8), np.ones((3, 3), np.uint8))
    scored = []
    for one, support, (here, shown) in zip(positions, supports, seen, strict=True):
        if one.unlike > _MAX_UNLIKE or one.number not in usable:
            continue
        both = visible & shown & (allowed[box] > 0)
        expected = int(np.count_nonzero(both & here))
        unseen = int(np.count_nonzero(both & here & (moving.labels[box] == 0)))
        foreign = unseen / max(1, expected)
        lacking = np.count_nonzero(hidden & maybe & ~shown) / outline
        score = one.unlike + 0.05 * abs(one.number - frame.number) + 25 * lacking + 40 * foreign
        scored.append(
            (score, one.number, LayerSource(one.number, moved_by(one), support), here, shown)
        )
    scored.sort(key=lambda source: source[:2])
    chosen = scored[:_SOURCES]
    # What is left is in one piece with what is seen: no limb stands alone.
    joined = np.zeros_like(hidden)
    free = hidden & (allowed[box] > 0)
    for *_, here, shown in chosen:
        joined |= free & here
        free &= ~shown
    if not chosen or (free & maybe).sum() > _MAX_LACKING * outline:
        return [], hole
    allowed[box] &= keep_joined(points, moving, visible, joined, box).view(np.uint8)
    return [source for _, _, source, *_ in chosen], allowed
