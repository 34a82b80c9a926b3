"""Rendered streets in which people and balls pass behind what is removed, with the truth there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.removal.rendered import PathCamera, add_grain
from benchmarks.removal.shots import SIZE, Shot, Shots
from outtake.data.synthetic.rendered_clip import Scene, SceneClip
from outtake.data.synthetic.rng import Rng, hash_key
from outtake.data.synthetic.scene_layout import LABELS, OBJECTS, SceneLayout
from outtake.data.synthetic.traffic import Traffic

_NEAREST_PERSON = 6  # the number of the track of the only person who walks before the cars
_FIRST_OBJECT = len(LABELS.names) - len(OBJECTS)


class TrafficWithout(Traffic):
    """The traffic of a scene without one of its objects.

    Args:
        layout: The layout of the scene.
        dice: The random numbers of the scene.
        track: The number of the track that is left out.
    """

    def __init__(self, layout: SceneLayout, dice: Rng, track: int) -> None:
        super().__init__(layout, dice)
        del self._tracks[track]


@dataclass(frozen=True)
class StreetPair:
    """A rendered street with all of its objects, and without those that are removed.

    Attributes:
        shown: The clip with all objects.
        without: The same clip without those that are removed and without their shadows.
        removed: The classes that are left out of ``without``; none if it lacks a single object.
    """

    shown: SceneClip
    without: SceneClip
    removed: tuple[str, ...]

    @classmethod
    def render(cls, clip: int, removed: str, speed: float | None, frames: int) -> StreetPair:
        """Return a street of the test split; see ``moving_behind``."""
        layout, key = SceneLayout(*SIZE), hash_key("scenes", 0, "test", clip)
        both = [Scene(layout, key) for _ in range(2)]
        if speed is not None:
            for world in both:
                world.camera = PathCamera(layout, Rng(key, "camera"), speed, jerk_px=0)
        classes: tuple[str, ...] = (removed,)
        if removed == "nearest person":
            both[1].traffic = TrafficWithout(layout, Rng(key, "traffic"), _NEAREST_PERSON)
            classes = ()
        return cls(SceneClip(both[0], frames), SceneClip(both[1], frames), classes)


def moving_behind(clip: int, removed: str, *, speed: float | None = None) -> Shots:
    """A street from which one kind of object is removed, and all else goes on moving.

    Args:
        clip: The number of the street.
        removed: A class of objects, or ``nearest person`` for the one in front of the cars.
        speed: The speed of the camera's pan, 0 for a tripod; None for the scene's own camera.
    """

    def shots(frames: int) -> Iterator[Shot]:
        pair = StreetPair.render(clip, removed, speed, frames)
        for t in range(frames):
            shown, without = pair.shown.frame(t), pair.without.frame(t, pair.removed)
            hole = (shown.image != without.image).any(axis=2)
            hole = cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            yield Shot(
                add_grain(without.image, t, 1.5),
                add_grain(shown.image, t, 1.5),
                hole,
                np.zeros_like(hole),
                without.labels >= _FIRST_OBJECT,
                (without.image == without.background).all(axis=2),
            )

    return shots
