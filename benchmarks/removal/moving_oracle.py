"""What would be gained if hidden moving things were moved from other frames by their true motion.

An upper bound for what a remover can carry: the motion and the outlines are known, and the rest of
the hole is the truth too. Limbs swing, so even the true motion of the whole predicts them badly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.removal.__main__ import score_pixels
from benchmarks.removal.moving_behind import StreetPair, moving_behind
from benchmarks.removal.shots import Shot
from outtake.core.types import Frame, Mask
from outtake.data.synthetic.balls import Ball
from outtake.data.synthetic.camera import CameraView
from outtake.data.synthetic.rendered_clip import SceneClip
from outtake.data.synthetic.sprite import Sprite
from outtake.data.synthetic.traffic import ObjectState

_REACH_FRAMES = 32
_FIXED_POINT = 1 << 16


@dataclass(frozen=True)
class _Owners:
    """Which object is seen at each pixel, by its index in ``objects``; -1 for none."""

    objects: list[ObjectState]
    index: NDArray[np.int16]
    view: CameraView


def carry_by_true_motion(pair: StreetPair, shots: list[Shot], *, best_first: bool) -> list[Frame]:
    """Return the truth with its hidden moving pixels replaced by those of other frames.

    Args:
        pair: The street.
        shots: Its frames.
        best_first: Take the frame that is nearest to the truth first, instead of nearest in time.
    """
    seen = [_find_owners(pair.shown, t, shots[t].truth.shape[:2]) for t in range(len(shots))]
    results = []
    for t, shot in enumerate(shots):
        there = _find_owners(pair.without, t, shot.truth.shape[:2], pair.removed)
        result = shot.truth.copy()
        for number, one in enumerate(there.objects):
            lacking = shot.moving_hidden() & (there.index == number)
            if lacking.any():
                # Where no frame shows it, it is as far off as the still background.
                result[lacking] = pair.without.frame(t).background[lacking]
                order = _order_frames(one, t, seen)
                truth = shot.truth if best_first else None
                _fill_from(result, lacking, one, there.view, order, seen, shots, truth)
        results.append(result)
    return results


def _order_frames(one: ObjectState, t: int, seen: list[_Owners]) -> list[tuple[int, int]]:
    """Return the frames within reach that show an object, and its index there, nearest first."""
    found = []
    for s, owners in enumerate(seen):
        if 0 < abs(s - t) <= _REACH_FRAMES:
            for index, other in enumerate(owners.objects):
                # Two renderings share no actors, but where an actor stands is drawn for it alone.
                if (other.label, other.y, other.scale_px) == (one.label, one.y, one.scale_px):
                    found.append((abs(s - t), s, index))
    return [(s, index) for _, s, index in sorted(found)]


def _fill_from(
    result: Frame,
    lacking: Mask,
    one: ObjectState,
    view: CameraView,
    order: list[tuple[int, int]],
    seen: list[_Owners],
    shots: list[Shot],
    truth: Frame | None,
) -> None:
    """Fill pixels from frames in an order, or the best first if the truth is given."""
    rows, columns = np.nonzero(lacking)
    taken = [
        _take(rows, columns, one, seen[s].objects[index], view, seen[s], index, shots[s])
        for s, index in order
    ]
    if truth is not None:
        errors = [
            np.square(truth[rows, columns][good].astype(float) - colours[good]).mean()
            if 2 * np.count_nonzero(good) > len(rows)
            else np.inf
            for colours, good in taken
        ]
        taken = [taken[i] for i in np.argsort(errors, kind="stable")]
    free = np.ones(len(rows), bool)
    for colours, good in taken:
        good = good & free
        result[rows[good], columns[good]] = colours[good]
        free &= ~good


def _take(
    rows: NDArray,
    columns: NDArray,
    one: ObjectState,
    other: ObjectState,
    view: CameraView,
    there: _Owners,
    index: int,
    shot: Shot,
) -> tuple[NDArray, NDArray]:
    """Return the colours of pixels of an object in another frame, and which are visible there."""
    height, width = there.index.shape
    middle = np.array([width, height]) / 2
    x, y = _to_backdrop(columns, rows, view, middle)
    x, y = _move_in_object((x - one.x) / one.scale_px, (one.y - y) / one.scale_px, one, other)
    x, y = other.x + x * other.scale_px, other.y - y * other.scale_px
    u, v = _to_pixels(x, y, there.view, middle)
    a, b = np.rint(u).astype(int), np.rint(v).astype(int)
    inside = (a >= 0) & (b >= 0) & (a < width) & (b < height)
    a, b = a.clip(0, width - 1), b.clip(0, height - 1)
    visible = inside & (there.index[b, a] == index) & ~shot.hole[b, a]
    maps = u.astype(np.float32)[None], v.astype(np.float32)[None]
    return cv2.remap(shot.shown, *maps, cv2.INTER_LINEAR)[0], visible


def _move_in_object(x: NDArray, y: NDArray, one: ObjectState, other: ObjectState) -> tuple:
    """Return where points of an object are in another frame: a ball hops and spins."""
    if not isinstance(one.actor, Ball):
        return x, y
    height, turn = one.actor.position_at(one.travelled)
    height_there, turn_there = one.actor.position_at(other.travelled)
    angle = 2 * np.pi * (turn_there - turn)
    y = y - height
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * x - sin * y, sin * x + cos * y + height_there


def _to_backdrop(columns: NDArray, rows: NDArray, view: CameraView, middle: NDArray) -> tuple:
    u, v = columns + 0.5 - middle[0], rows + 0.5 - middle[1]
    a, b = view.along / (_FIXED_POINT / 2), view.across / (_FIXED_POINT / 2)
    return (
        a * u - b * v + view.centre_x / _FIXED_POINT,
        b * u + a * v + view.centre_y / _FIXED_POINT,
    )


def _to_pixels(x: NDArray, y: NDArray, view: CameraView, middle: NDArray) -> tuple:
    a, b = view.along / (_FIXED_POINT / 2), view.across / (_FIXED_POINT / 2)
    dx, dy = x - view.centre_x / _FIXED_POINT, y - view.centre_y / _FIXED_POINT
    square = a * a + b * b
    return (a * dx + b * dy) / square + middle[0] - 0.5, (a * dy - b * dx) / square + middle[
        1
    ] - 0.5


def _find_owners(
    clip: SceneClip, t: int, size: tuple[int, ...], removed: tuple[str, ...] = ()
) -> _Owners:
    world = clip._scene
    view = world.camera.view_at(t)
    objects = world.traffic.objects_at(t, view.centre_x / _FIXED_POINT)
    gone = {clip.labels.names.index(name) for name in removed}
    index = np.full(size, -1, np.int16)
    rows, columns = np.indices(size)
    for number, one in enumerate(objects):
        if one.label in gone:
            continue
        x, y = _to_backdrop(columns, rows, view, np.array(size[::-1]) / 2)
        sprite = Sprite(
            ((x - one.x) / one.scale_px).astype(np.float32),
            ((one.y - y) / one.scale_px).astype(np.float32),
            one.scale_px * view.zoom,
        )
        one.actor.paint(sprite, one.travelled)
        index[sprite.alpha >= 0.5] = number
    return _Owners(objects, index, view)


STREETS = (
    ("behind/cars", 1, "car", None),
    ("behind/cars_2", 4, "car", None),
    ("behind/cars_tripod", 2, "car", 0.0),
    ("behind/person", 2, "nearest person", None),
    ("behind/person_tripod", 1, "nearest person", 0.0),
)


def main() -> None:
    """Print the PSNR and the SSIM of the hidden moving pixels, moved by their true motion."""
    print(f"{'clip':21}{'frame':10}{'moving dB':>11}{'SSIM':>8}")
    for name, clip, removed, speed in STREETS:
        frames = 64
        shots = list(moving_behind(clip, removed, speed=speed)(frames))
        pair = StreetPair.render(clip, removed, speed, frames)
        hidden = [shot.moving_hidden() for shot in shots]
        for which in ("nearest", "best"):
            results = carry_by_true_motion(pair, shots, best_first=which == "best")
            error, similarity = score_pixels(shots, results, hidden)
            print(f"{name:21}{which:10}{error:11.2f}{similarity:8.3f}", flush=True)


if __name__ == "__main__":
    main()
