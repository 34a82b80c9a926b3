"""Cameras and worlds for rendered clips, of which the truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import cv2
import numpy as np

from benchmarks.removal.shots import SIZE, Shot, Shots, draw_walker
from benchmarks.removal.world import Pose, Street, make_masonry
from outtake.core.types import Frame, Mask
from outtake.data.synthetic.camera import Camera, CameraView
from outtake.data.synthetic.rendered_clip import Scene, SceneClip
from outtake.data.synthetic.rng import Rng, hash_key
from outtake.data.synthetic.scene_layout import SceneLayout


class PathCamera(Camera):
    """The camera of a scene, on a path of its own.

    Args:
        stage: The layout of the scene.
        dice: The random numbers of the scene.
        speed: The speed of the pan, 1 for the pan of the scene itself, 0 for a tripod.
        jerk_px: The standard deviation of an extra shift in every frame.
    """

    def __init__(self, stage: SceneLayout, dice: Rng, speed: float, jerk_px: float) -> None:
        super().__init__(stage, dice)
        self._speed, self._jerk_px = speed, jerk_px

    def view_at(self, t: int) -> CameraView:
        """Return the view of frame ``t``."""
        view = super().view_at(round(t * self._speed))
        dx, dy = np.random.default_rng(t).normal(0, self._jerk_px * (1 << 16), 2)
        return CameraView(view.along, view.across, view.centre_x + int(dx), view.centre_y + int(dy))


def rendered_street(
    speed: float, *, jerk_px: float = 0, noise: float = 1.5, exposure: float = 0, clip: int = 3
) -> Shots:
    """A rendered street: its objects and their shadows are the hole.

    Args:
        speed: The speed of the camera's pan.
        jerk_px: The unsteadiness of the camera.
        noise: The noise of the sensor in grey levels.
        exposure: The share by which the brightness swings.
        clip: The number of the street.
    """

    def shots(frames: int) -> Iterator[Shot]:
        stage, key = SceneLayout(*SIZE), hash_key("scenes", 0, "test", clip)
        world = Scene(stage, key)
        world.camera = PathCamera(stage, Rng(key, "camera"), speed, jerk_px)
        for t, frame in enumerate(SceneClip(world, frames)):
            hole = (frame.image != frame.background).any(axis=2)
            hole = cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            gain = 1 + exposure * np.sin(t / 5)
            truth, shown = (add_grain(p, t, noise, gain) for p in (frame.background, frame.image))
            yield Shot(truth, shown, hole, np.zeros_like(hole))

    return shots


def interlace(moments: Shots) -> Shots:
    """Two moments of a clip in the rows of each frame, the top field first."""

    def shots(frames: int) -> Iterator[Shot]:
        both = moments(2 * frames)
        for first, second in zip(both, both, strict=True):
            woven = [getattr(first, part).copy() for part in ("truth", "shown", "hole", "own")]
            for picture, part in zip(woven, ("truth", "shown", "hole", "own"), strict=True):
                picture[1::2] = getattr(second, part)[1::2]
            yield Shot(*woven)

    return shots


def film(
    view: Callable[[int], Frame],
    hole: Callable[[int], Mask],
    gain: Callable[[int], float] = lambda t: 1.0,
    noise: float = 1.5,
) -> Shots:
    """What a function shows at each frame, with a hole, brightness and noise."""

    def shots(frames: int) -> Iterator[Shot]:
        for t in range(frames):
            truth, mask = add_grain(view(t), t, noise, gain(t)), hole(t)
            yield Shot(truth, truth, mask, np.zeros_like(mask))

    return shots


def add_grain(picture: Frame, t: int, noise: float, gain: float = 1.0) -> Frame:
    """Return a picture as a sensor sees it."""
    grain = np.random.default_rng(t).normal(0, noise, picture.shape)
    return np.clip(np.rint(picture * gain + grain), 0, 255).astype(np.uint8)


def parallax_layers(speed_px: float) -> Callable[[int], Frame]:
    """A camera that moves sideways past planes at five depths."""
    height, width = SIZE
    rows = np.arange(height)[:, None]

    @cache
    def planes() -> list[Frame]:
        return [make_texture(height, width * 4, seed) for seed in range(5)]

    def view(t: int) -> Frame:
        image = np.zeros((height, width, 3), np.uint8)
        for index, plane in enumerate(planes()):
            at = speed_px * t * (0.25 + 0.35 * index) + 20 + 2 * np.sin(t / 3 + index)
            x, y = np.meshgrid(np.arange(width) + at, np.arange(height) + np.sin(t / 4))
            maps = x.astype(np.float32), y.astype(np.float32)
            seen = cv2.remap(plane, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
            # Every plane but the last rises like a skyline behind the next.
            skyline = height * (0.22 * index + 0.06 * np.sin(x[:1] / (25 + 9 * index)))
            front = rows >= skyline if index else np.ones((height, width), bool)
            image[front] = seen[front]
        return image

    return view


def make_texture(height: int, width: int, seed: int) -> Frame:
    """Return a picture with colourful detail at several scales."""
    dice = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for step in (4, 8, 24, 64):
        small = dice.normal(0, 9 + step / 4, (height // step + 2, width // step + 2, 3))
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total + dice.uniform(70, 180, 3), 0, 255).astype(np.uint8)


def flat_world(
    seed: int, motion: Callable[[int], tuple[float, float, float]]
) -> Callable[[int], Frame]:
    """A flat world; ``motion`` gives the view's shift in x and y, in pixels, and its zoom."""
    height, width = SIZE

    @cache
    def world() -> Frame:
        return make_masonry(2 * height, 3 * width, seed)

    def view(t: int) -> Frame:
        x, y, zoom = motion(t)
        to_world = np.array([[1 / zoom, 0, x + 60], [0, 1 / zoom, y + 60]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(world(), to_world, (width, height), flags=flags), np.uint8)

    return view


def hard_cut(at: int) -> Callable[[int], Frame]:
    """Two shots, one right after the other."""
    first, second = (flat_world(seed, lambda t: (3.0 * t, 0, 1)) for seed in (21, 22))
    return lambda t: first(t) if t < at else second(t)


def dissolve(at: int, length: int) -> Callable[[int], Frame]:
    """One shot turns into another."""
    first, second = (flat_world(seed, lambda t: (2.0 * t, 0, 1)) for seed in (23, 24))

    def view(t: int) -> Frame:
        share = float(np.clip((t - at) / length, 0, 1))
        return np.asarray(cv2.addWeighted(first(t), 1 - share, second(t), share, 0), np.uint8)

    return view


def fade(frames: int, length: int) -> Callable[[int], float]:
    """The brightness of a clip that comes out of black and goes back there."""
    return lambda t: float(np.clip(min(t + 1, frames - t) / length, 0.02, 1))


def fade_picture(shots: Shots, length: int, colour: int) -> Shots:
    """A clip that comes out of a colour and goes back there, as an editor makes it.

    Args:
        shots: The clip.
        length: The frames that a fade takes.
        colour: What is shown before it and after it: 0 is black, 255 white.
    """

    def faded(frames: int) -> Iterator[Shot]:
        for t, shot in enumerate(shots(frames)):
            left = float(np.clip(min(t, frames - 1 - t) / length, 0, 1))
            pictures = [
                np.rint(picture * left + colour * (1 - left)).astype(np.uint8)
                for picture in (shot.truth, shot.shown)
            ]
            yield Shot(*pictures, shot.hole, shot.own)

    return faded


def pausing_walker(t: int) -> Mask:
    """Somebody walks in, stands for 150 frames, and walks on."""
    x = -0.1 + 0.6 * min(t / 16, 1) + 0.6 * max(0.0, (t - 166) / 16)
    return draw_walker(SIZE, x, t if t < 16 or t > 166 else 16)


def dolly(t: int) -> Frame:
    """A camera that is drawn past a row of things before a wall: strong parallax."""
    return street(5, 8, faces_wall=True).render(
        Pose(x=-4.5, y=0.05 * np.sin(t / 4), z=5 + 0.10 * t, yaw=np.pi / 2)
    )


def flight(t: int) -> Frame:
    """A fast flight along a street, turning and tilting."""
    swing = Pose(
        x=1.2 * float(np.sin(t / 11)),
        y=0.4 * float(np.sin(t / 8)),
        z=0.9 * t,
        yaw=0.22 * float(np.sin(t / 7)),
        pitch=0.05 * float(np.sin(t / 5)),
        roll=0.12 * float(np.sin(t / 9)),
    )
    return street(3, 4).render(swing)


@cache
def street(seed: int, cards: float, faces_wall: bool = False) -> Street:
    """Return a street, built when it is needed."""
    return Street(*SIZE, seed, cards, faces_wall)
