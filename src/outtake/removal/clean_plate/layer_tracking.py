"""Follow something that moves by itself from one frame to those before and after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.types import Frame
from outtake.motion.homography import Homography
from outtake.motion.warp import Points, project_points
from outtake.removal.clean_plate.moving_mask import Flags, Labels, MovingMask
from outtake.removal.clean_plate.read_pixels import project
from outtake.removal.clean_plate.small_frames import SmallFrame, homography_between

# Limbs swing: a colour that is farther off counts as no farther, so that the rest says where the
# layer is. How alike its limbs are is judged with the larger limit. A pixel at which one frame
# shows the layer and the other one does not counts by this share of the limit.
_FAR_GREY, _OUTLINE = 28, 0.7
_LIKENESS_GREY = 70
# How far from where it is expected a layer is searched for.
_SEARCH_PX = 4
# Less than this share of its points tells nothing.
_MIN_VISIBLE = 0.5
_MAX_LOST_FRAMES = 12
_MAX_COST = 15.0


@dataclass(frozen=True, slots=True)
class LayerPoints:
    """The points of a reduced frame by which a layer is recognised.

    Attributes:
        inside: Pixels of the layer, float32 (n, 2).
        colours: Their colours, uint8 (n, 3).
        outside: Pixels around the layer where the still background is, float32 (m, 2).
        velocity: Its own motion from one frame to the next, in pixels, float64 (2,).
    """

    inside: Points
    colours: NDArray[np.uint8]
    outside: Points
    velocity: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LayerPosition:
    """Where a layer is in another frame.

    Attributes:
        number: The number of that frame.
        homography: The motion of the camera to it, between reduced frames, (3, 3).
        shift: By what the layer itself has moved, in pixels of the current reduced frame, (2,).
        cost: How badly it is recognised there, in grey levels.
        still_cost: How badly it would be if it stood still.
        unlike: How much it differs there, limbs and all, in grey levels.
    """

    number: int
    homography: Homography
    shift: NDArray[np.float64]
    cost: float
    still_cost: float
    unlike: float


def track_layer(
    points: LayerPoints,
    frame: SmallFrame,
    frames: Mapping[int, SmallFrame],
    moving_in: Callable[[int], MovingMask],
    reach_frames: int,
) -> list[LayerPosition]:
    """Return the positions of a layer in the frames in which it is recognised, nearest first."""
    found: list[LayerPosition] = []
    for sign in (1, -1):
        found += _track(points, frame, frames, moving_in, reach_frames, sign)
    return sorted(found, key=lambda one: (abs(one.number - frame.number), one.number))


def _track(
    points: LayerPoints,
    frame: SmallFrame,
    frames: Mapping[int, SmallFrame],
    moving_in: Callable[[int], MovingMask],
    reach_frames: int,
    sign: int,
) -> list[LayerPosition]:
    found: list[LayerPosition] = []
    latest = points
    last: list[tuple[int, NDArray[np.float64]]] = [(0, np.zeros(2))]
    for distance in range(1, reach_frames + 1):
        number = frame.number + sign * distance
        if number not in frames or distance - last[-1][0] > _MAX_LOST_FRAMES:
            break
        predicted = _extrapolate(last, distance, sign * points.velocity)
        there = homography_between(frame, frames[number], frames)
        moving = moving_in(number)
        shift, cost = _search(latest, frames[number], moving.labels, there, predicted, _SEARCH_PX)
        if cost > _MAX_COST:
            continue
        seen = (points, frames[number], moving.labels, there)
        still = _cost_at(*seen, np.zeros(2), _FAR_GREY)
        unlike = _cost_at(*seen, shift, _LIKENESS_GREY)
        last.append((distance, shift))
        # A ball spins and limbs swing: the next frame is most like this one.
        latest = replace(
            latest, colours=_read_colours(points, latest, frames[number], there, shift)
        )
        found.append(LayerPosition(number, there, shift, cost, still, unlike))
    return found


def _read_colours(
    points: LayerPoints,
    latest: LayerPoints,
    there: SmallFrame,
    homography: Homography,
    shift: NDArray[np.float64],
) -> NDArray[np.uint8]:
    """Return the colours of a layer in another frame; where it is hidden, the latest ones."""
    places = project_points(homography, points.inside + shift.astype(np.float32))
    columns, rows = np.rint(places).astype(np.intp).T
    height, width = there.known.shape
    inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
    columns, rows = columns.clip(0, width - 1), rows.clip(0, height - 1)
    shown = inside & (there.known[rows, columns] > 0)
    return np.where(shown[:, None], there.image[rows, columns], latest.colours)


def _extrapolate(
    last: list[tuple[int, NDArray[np.float64]]], distance: int, guess: NDArray[np.float64]
) -> NDArray[np.float64]:
    at, shift = last[-1]
    before = last[max(0, len(last) - 4)]
    speed = guess if len(last) <= 2 else (shift - before[1]) / (at - before[0])
    return np.asarray(shift + speed * (distance - at))


def _search(
    points: LayerPoints,
    there: SmallFrame,
    labels: Labels,
    homography: Homography,
    around: NDArray[np.float64],
    reach_px: int,
) -> tuple[NDArray[np.float64], float]:
    """Return the best shift within reach, to half a pixel, and its cost."""
    found = _search_points(
        points.inside, points.colours, points.outside, there.image, there.known, labels,
        homography, float(around[0]), float(around[1]), reach_px,
    )  # fmt: skip
    return np.array(found[:2]), found[2]


def _cost_at(
    points: LayerPoints,
    there: SmallFrame,
    labels: Labels,
    homography: Homography,
    shift: NDArray[np.float64],
    limit: int,
) -> float:
    return _compare_points(
        points.inside, points.colours, points.outside, there.image, there.known, labels,
        homography, float(shift[0]), float(shift[1]), limit,
    )  # fmt: skip


@compile_loop
def _compare_points(
    inside: Points,
    colours: NDArray[np.uint8],
    outside: Points,
    image: Frame,
    known: Flags,
    labels: Labels,
    homography: Homography,
    dx: float,
    dy: float,
    limit: int,
) -> float:
    """Return the mean cost of points moved by a shift; infinite if too few of them are visible."""
    height, width = known.shape
    total, visible = 0.0, 0
    for i in range(len(inside)):
        x, y = project(homography, float(inside[i, 0]) + dx, float(inside[i, 1]) + dy)
        column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        if column < 0 or row < 0 or column >= width or row >= height or not known[row, column]:
            continue
        worst = 0
        for c in range(3):
            worst = max(worst, int(abs(np.int32(image[row, column, c]) - np.int32(colours[i, c]))))
        worst = min(worst, limit)
        if labels[row, column] == 0:
            worst = max(worst, int(_OUTLINE * limit))
        total += worst
        visible += 1
    if visible < _MIN_VISIBLE * len(inside) or visible == 0:
        return np.inf
    mean = total / visible
    total, visible = 0.0, 0
    for i in range(len(outside)):
        x, y = project(homography, float(outside[i, 0]) + dx, float(outside[i, 1]) + dy)
        column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        if column < 0 or row < 0 or column >= width or row >= height or not known[row, column]:
            continue
        if labels[row, column] != 0:
            total += _OUTLINE * limit
        visible += 1
    return mean if visible == 0 else mean + 0.5 * total / visible


@compile_loop
def _search_points(
    inside: Points,
    colours: NDArray[np.uint8],
    outside: Points,
    image: Frame,
    known: Flags,
    labels: Labels,
    homography: Homography,
    around_x: float,
    around_y: float,
    reach_px: int,
) -> tuple[float, float, float]:
    """Return the best shift around another one, and its cost: in steps of 2, 1, half a pixel."""
    best_x, best_y, least = around_x, around_y, np.inf
    for level in range(3):
        step = 2.0 / 2**level
        count = reach_px // 2 if level == 0 else 1
        middle_x, middle_y = best_x, best_y
        for j in range(-count, count + 1):
            for i in range(-count, count + 1):
                if level > 0 and i == 0 and j == 0:
                    continue
                x, y = middle_x + i * step, middle_y + j * step
                cost = _compare_points(
                    inside, colours, outside, image, known, labels, homography, x, y, _FAR_GREY
                )
                # Of equal ones the nearest to what was expected.
                cost += 0.05 * max(abs(x - around_x), abs(y - around_y))
                if cost < least:
                    best_x, best_y, least = x, y, cost
    return best_x, best_y, least
