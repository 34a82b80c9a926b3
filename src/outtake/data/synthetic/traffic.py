"""Traffic: objects that cross the frame, leave it and return as other objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor

from outtake.data.synthetic.balls import Ball
from outtake.data.synthetic.cars import Car
from outtake.data.synthetic.people import Person
from outtake.data.synthetic.rng import Rng
from outtake.data.synthetic.scene_layout import BALL, CAR, PERSON, ZOOM_MIN, SceneLayout
from outtake.data.synthetic.sprite import Actor


@dataclass(frozen=True)
class ObjectState:
    """One object in one frame.

    Attributes:
        label: The class.
        actor: The object itself, which paints its looks.
        x: The backdrop column of its middle in pixels, not reduced by the period.
        y: The backdrop row of the ground on which it stands.
        scale_px: The number of backdrop pixels per unit of the actor.
        travelled: The distance that it has gone, in the actor's units.
    """

    label: int
    actor: Actor
    x: float
    y: float
    scale_px: float
    travelled: float


@dataclass(frozen=True)
class Lane:
    """A lane along the backdrop, on which objects of one class move at one speed.

    Attributes:
        label: The class.
        make: The function that makes an object from a generator and the side that it faces.
        size: The least and the largest size of the actor's unit, in units of the layout.
        speeds: The slowest and the fastest speed, in units of the layout per frame.
        rows: The highest and the lowest row where objects touch the ground, in frame heights from
            the top.
        count: The number of objects in the lane, which are evenly spread.
    """

    label: int
    make: Callable[[Rng, int], Actor]
    size: tuple[float, float]
    speeds: tuple[float, float]
    rows: tuple[float, float]
    count: int


_LANES = (
    Lane(PERSON, Person, (0.42, 0.47), (0.010, 0.015), (0.69, 0.75), 2),
    Lane(PERSON, Person, (0.42, 0.47), (0.011, 0.017), (0.71, 0.77), 1),
    Lane(CAR, Car, (0.45, 0.50), (0.030, 0.042), (0.850, 0.865), 1),
    Lane(CAR, Car, (0.48, 0.53), (0.028, 0.040), (0.945, 0.960), 2),
    Lane(PERSON, Person, (0.48, 0.52), (0.012, 0.017), (0.975, 0.99), 1),
    Lane(BALL, Ball, (0.088, 0.105), (0.019, 0.028), (0.79, 0.83), 2),
    Lane(BALL, Ball, (0.095, 0.115), (0.020, 0.030), (0.90, 0.98), 1),
)


class Traffic:
    """The objects of one clip.

    Every object moves on a ring that is wider than the frame and follows the camera. Over the
    backdrop it goes straight and steadily; where the ring closes, out of sight, it becomes another
    object of its class.
    """

    def __init__(self, layout: SceneLayout, rng: Rng) -> None:
        side = 1 if rng.bernoulli(0.5) else -1
        self._tracks: list[_ObjectTrack] = []
        for index, lane in enumerate(_LANES):
            facing = side if index % 2 else -side
            speed = facing * rng.uniform(*lane.speeds)
            phase = rng.random()
            for place in range(lane.count):
                start = phase + (place + rng.uniform(-0.07, 0.07)) / lane.count
                self._tracks.append(
                    _ObjectTrack(layout, lane, speed, start, rng.integer(0, 1 << 60))
                )

    def objects_at(self, t: int, camera_x: float) -> list[ObjectState]:
        """Return the objects of frame ``t``, farthest first.

        Args:
            t: The number of the frame.
            camera_x: The backdrop column of the frame's middle, not reduced by the period.
        """
        return sorted((slot.state_at(t, camera_x) for slot in self._tracks), key=lambda one: one.y)


class _ObjectTrack:
    def __init__(
        self, layout: SceneLayout, lane: Lane, speed: float, start: float, key: int
    ) -> None:
        self._layout, self._lane, self._key = layout, lane, key
        self._facing = 1 if speed > 0 else -1
        unit = layout.unit_px
        self._speed_px = speed * unit
        # Room for the widest object and its shadow on both sides of the zoomed-out frame.
        room = 1.2 * unit if lane.label == CAR else 0.9 * unit
        self._ring_px = 1.02 * layout.width / ZOOM_MIN + room
        self._start_px = start * self._ring_px
        self._actors: dict[int, tuple[Actor, float, float]] = {}

    def state_at(self, t: int, camera_x: float) -> ObjectState:
        x = self._start_px + self._speed_px * t
        lap = floor((x - camera_x) / self._ring_px + 0.5)
        actor, size, row = self._get_actor(lap)
        layout = self._layout
        return ObjectState(
            label=self._lane.label,
            actor=actor,
            x=x - lap * self._ring_px,
            y=layout.margin_px + row * layout.height,
            scale_px=size * layout.unit_px,
            travelled=abs(self._speed_px) * t / (size * layout.unit_px),
        )

    def _get_actor(self, lap: int) -> tuple[Actor, float, float]:
        if lap not in self._actors:
            rng = Rng(self._key, lap)
            size, row = rng.uniform(*self._lane.size), rng.uniform(*self._lane.rows)
            self._actors[lap] = self._lane.make(rng, self._facing), size, row
        return self._actors[lap]
