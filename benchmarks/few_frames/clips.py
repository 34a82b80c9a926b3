"""Clips of which every frame's mask is known: one real, and rendered ones with moving cameras.

In the rendered ones people walk along a street; cars and balls move too, and are not what is asked
for. ``parallax`` has the people before planes at five depths, ``cut`` two streets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.removal.clips import data_folder, read, read_mask
from benchmarks.removal.rendered import PathCamera, add_grain, parallax_layers
from benchmarks.removal.shots import SIZE
from outtake.core.types import Frame, Mask
from outtake.data.synthetic.rendered_clip import Scene, SceneClip, SceneFrame
from outtake.data.synthetic.rng import Rng, hash_key
from outtake.data.synthetic.scene_layout import PERSON, SceneLayout

NOISE = 1.5
RENDERED_FRAMES = 60

FrameAndMask = tuple[Frame, Mask]


@dataclass(frozen=True)
class KnownClip:
    """A clip, and which of its frames are labelled.

    Attributes:
        frames: Yields each frame with the mask of what is asked for.
        labelled: The numbers of the labelled frames.
        behind: Yields each frame without the object and without noise; None if nobody knows it.
    """

    frames: Callable[[], Iterator[FrameAndMask]]
    labelled: tuple[int, ...]
    behind: Callable[[], Iterator[Frame]] | None = None


def tennis() -> Iterator[FrameAndMask]:
    """The player with his racket and his shadow."""
    root = data_folder() / "tennis"
    for path in sorted((root / "frames").glob("*.png")):
        yield read(path), read_mask(root / "masks" / path.name)


def street(
    speed: float, *, jerk_px: float = 0, number: int = 3, first: int = 0
) -> Callable[[], Iterator[SceneFrame]]:
    """A rendered street, filmed at a speed of the pan and with an unsteady hand."""

    def frames() -> Iterator[SceneFrame]:
        layout, key = SceneLayout(*SIZE), hash_key("scenes", 0, "test", number)
        scene = Scene(layout, key)
        scene.camera = PathCamera(layout, Rng(key, "camera"), speed, jerk_px)
        clip = SceneClip(scene, first + RENDERED_FRAMES)
        return (clip.frame(first + t) for t in range(RENDERED_FRAMES))

    return frames


def people(scene: Callable[[], Iterator[SceneFrame]]) -> Callable[[], Iterator[FrameAndMask]]:
    """The people of a street, as a sensor sees them."""

    def frames() -> Iterator[FrameAndMask]:
        for t, each in enumerate(scene()):
            yield add_grain(each.image, t, NOISE), each.labels == PERSON

    return frames


def people_before_layers() -> Iterator[FrameAndMask]:
    """The people of a street before planes that move at five speeds."""
    for t, (each, background) in enumerate(zip(street(0, number=5)(), layers(), strict=True)):
        mask = each.labels == PERSON
        image = np.where(mask[..., None], each.image, background)
        yield add_grain(image, t, NOISE), mask


def layers() -> Iterator[Frame]:
    """Planes that move at five speeds, without people."""
    background = parallax_layers(3)
    return (background(t) for t in range(RENDERED_FRAMES))


def two_streets() -> Iterator[FrameAndMask]:
    """One street, and after a cut in the middle another."""
    before, after = (list(people(street(1, number=number))()) for number in (3, 6))
    yield from before[: RENDERED_FRAMES // 2]
    yield from after[RENDERED_FRAMES // 2 :]


_EVEN = tuple(round(each * (RENDERED_FRAMES - 1) / 4) for each in range(5))

CLIPS: dict[str, KnownClip] = {
    "tennis": KnownClip(tennis, (0, 17, 34, 51, 69)),
    "pan": KnownClip(people(street(1)), _EVEN),
    "handheld": KnownClip(people(street(0.2, jerk_px=3)), _EVEN),
    "parallax": KnownClip(people_before_layers, _EVEN, layers),
    "static": KnownClip(people(street(0, number=4)), _EVEN),
    "cut": KnownClip(two_streets, _EVEN),
}
