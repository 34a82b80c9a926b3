"""What belongs to a layer that moves by itself, in the frames in which it was recognised."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Mask
from outtake.motion.homography import Homography
from outtake.motion.warp import project_points
from outtake.removal.clean_plate.layer_tracking import LayerPoints, LayerPosition
from outtake.removal.clean_plate.moving_mask import Flags, MovingMask
from outtake.removal.clean_plate.small_frames import SmallFrame

# A pixel moves as the layer does, or otherwise, in pixels a frame; areas in heights squared: what
# is as small and moves otherwise is a limb.
_SAME_SPEED_PX, _OTHER_SPEED_PX = 1.5, 2.2
_MIN_BODY, _MIN_OTHER = 0.001, 0.009
# A part of which fewer of the points fall on a layer is none of it, and a support that holds fewer
# of them is not that of the layer.
_MIN_HIT, _MIN_COVERED = 0.1, 0.7


def find_support(
    points: LayerPoints, there: MovingMask, moved: Homography, velocity: NDArray[np.float64]
) -> Flags:
    """Return what belongs to a layer in another frame, 0 or 255.

    Of the connected parts that its points fall on, what is nearer to pixels that move as it does
    than to a larger area that moves otherwise: limbs are small, and belong to the next body.
    """
    own = find_own_parts(points, there, moved)
    support = np.zeros(there.labels.shape, np.uint8)
    together = own[there.labels]
    if not together.any():
        return support
    box = grow_box(together, 0)
    inside = together[box]
    off = np.abs(there.velocity[box].astype(np.float32) - velocity.astype(np.float32)).max(axis=2)
    body = _keep_large(inside & (off < _SAME_SPEED_PX), _MIN_BODY * len(support) ** 2)
    other = _keep_large(inside & (off > _OTHER_SPEED_PX), _MIN_OTHER * len(support) ** 2)
    if not body.any():
        return support
    if other.any():
        to_body, to_other = (
            cv2.distanceTransform(np.asarray(~one, np.uint8), cv2.DIST_L2, 3)
            for one in (body, other)
        )
        inside = inside & (to_body < to_other)
    support[box] = inside * np.uint8(255)
    return support


def see_support(
    support: Flags, one: LayerPosition, frames: Mapping[int, SmallFrame], box: tuple[slice, slice]
) -> tuple[Mask, Mask]:
    """Return where another frame shows the layer in a box, and where it shows anything."""
    size = (box[1].stop - box[1].start, box[0].stop - box[0].start)
    corner = np.array([[1, 0, box[1].start], [0, 1, box[0].start], [0, 0, 1.0]])
    inverse = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
    to_there = moved_by(one) @ corner
    here, known = (
        cv2.warpPerspective(image, to_there, size, flags=inverse) > 0
        for image in (support, frames[one.number].known)
    )
    return here & known, known


def covers_points(
    support: Flags, points: LayerPoints, one: LayerPosition, there: SmallFrame
) -> bool:
    """Return whether most visible points of a layer are in what was found of it in a frame."""
    columns, rows = place_points(points, support.shape, moved_by(one))
    known = there.known[rows, columns] > 0
    return bool(known.any() and (support[rows, columns][known] > 0).mean() > _MIN_COVERED)


def find_own_parts(points: LayerPoints, there: MovingMask, moved: Homography) -> Mask:
    """Return which parts of another frame the points of a layer fall on, bool (parts,)."""
    columns, rows = place_points(points, there.labels.shape, moved)
    hit = np.bincount(there.labels[rows, columns], minlength=there.parts)
    own = hit > _MIN_HIT * len(points.inside)
    own[0] = False
    return np.asarray(own)


def keep_joined(
    points: LayerPoints, moving: MovingMask, visible: Mask, joined: Mask, box: tuple[slice, slice]
) -> Mask:
    """Return the part of a box that is connected with a layer's visible points."""
    columns, rows = place_points(points, moving.labels.shape, np.eye(3))
    seen = np.zeros(moving.labels.shape, np.uint8)
    seen[rows, columns] = 1
    part = np.isin(moving.labels, np.unique(moving.labels[rows, columns]))
    whole = np.asarray((visible & part[box]) | joined, np.uint8)
    whole = cv2.morphologyEx(whole, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, labels = cv2.connectedComponents(whole)
    kept = np.unique(labels[(seen[box] > 0) & (labels > 0)])
    return np.asarray(np.isin(labels, kept) & (labels > 0))


def velocities_at(
    points: LayerPoints, positions: list[LayerPosition], frame: SmallFrame
) -> list[NDArray[np.float64]]:
    """Return the velocity of a layer where it was recognised, from where it was nearby."""
    shifts = {one.number: one.shift for one in positions} | {frame.number: np.zeros(2)}
    found = []
    for one in positions:
        near = [number for number in shifts if 0 < abs(number - one.number) <= 2]
        speeds = [(shifts[n] - one.shift) / (n - one.number) for n in near]
        found.append(np.mean(speeds, axis=0) if speeds else points.velocity)
    return found


def place_points(
    points: LayerPoints, shape: tuple[int, ...], moved: Homography
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the columns and rows of a layer's points in another frame, as far as inside."""
    height, width = shape
    columns, rows = np.rint(project_points(moved, points.inside)).astype(np.intp).T
    inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
    return columns[inside], rows[inside]


def moved_by(one: LayerPosition) -> Homography:
    """Return the map from the current frame to another one for what moves as the layer does."""
    shift = np.array([[1, 0, one.shift[0]], [0, 1, one.shift[1]], [0, 0, 1]])
    return np.asarray(one.homography @ shift, np.float64)


def grow_box(mask: Mask, by: int) -> tuple[slice, slice]:
    """Return the slices of a mask that hold its pixels, and so many pixels more on each side."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return (
        slice(max(0, int(rows[0]) - by), min(height, int(rows[-1]) + 1 + by)),
        slice(max(0, int(columns[0]) - by), min(width, int(columns[-1]) + 1 + by)),
    )


def _keep_large(mask: Mask, area: float) -> Mask:
    opened = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= area
    large[0] = False
    return np.asarray(large[labels])
