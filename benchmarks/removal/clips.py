"""The clips of the removal benchmark: real ones with holes in them, and rendered ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.removal.moving_behind import moving_behind
from benchmarks.removal.rendered import (
    dissolve,
    dolly,
    fade,
    fade_picture,
    film,
    flat_world,
    flight,
    hard_cut,
    interlace,
    parallax_layers,
    pausing_walker,
    rendered_street,
)
from benchmarks.removal.shots import SIZE, Clip, Shot, Shots, draw_boxes, walking_to_and_fro
from outtake.core.types import Frame, Mask

ROOT = Path(__file__).resolve().parents[2]
MOVING = (8, 9, 10)  # CamVid: car, pedestrian, bicyclist


def data_folder() -> Path:
    """Return where the real clips are."""
    return Path(os.environ.get("OUTTAKE_DATA") or ROOT.parent / "shared" / "data")


def read(path: Path) -> Frame:
    """Read a picture as RGB."""
    return np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), np.uint8)


def read_mask(path: Path) -> Mask:
    """Read a mask."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0)


def tennis(holes: str) -> Shots:
    """The tennis clip, with the holes of a folder."""

    def shots(frames: int) -> Iterator[Shot]:
        root = data_folder() / "tennis"
        for path in sorted((root / "frames").glob("*.png"))[:frames]:
            image = read(path)
            hole = read_mask(root / f"holes_{holes}" / path.name)
            yield Shot(image, image, hole, read_mask(root / "own" / path.name))

    return shots


def camvid(hole: Callable[[int], Mask]) -> Shots:
    """A drive at 15 frames per second: strong parallax, and other traffic."""

    def shots(frames: int) -> Iterator[Shot]:
        root = data_folder() / "camvid"
        for t, path in enumerate(sorted((root / "val").iterdir())[:frames]):
            image = read(path)
            labels = cv2.imread(str(root / "valannot" / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
            own = np.isin(labels, MOVING).astype(np.uint8)
            own = cv2.dilate(own, np.ones((9, 9), np.uint8)) > 0
            yield Shot(image, image, hole(t), own)

    return shots


_BOXES = draw_boxes(SIZE)
_CAMVID = (360, 480)

CLIPS: dict[str, Clip] = {
    "tennis/object": Clip(tennis("object")),
    "tennis/box": Clip(tennis("box")),
    "camvid/box": Clip(camvid(lambda t: draw_boxes(_CAMVID))),
    "camvid/object": Clip(camvid(walking_to_and_fro(_CAMVID))),
    "tripod": Clip(rendered_street(0)),
    "pan": Clip(rendered_street(1)),
    "pan/fast": Clip(rendered_street(4, clip=1)),
    "handheld": Clip(rendered_street(0.2, jerk_px=3)),
    "interlaced": Clip(interlace(rendered_street(1, jerk_px=1))),
    "exposure": Clip(rendered_street(1, exposure=0.12, clip=2)),
    "zoom": Clip(
        film(flat_world(20, lambda t: (t, t / 2, 1 + 0.012 * t)), walking_to_and_fro(SIZE))
    ),
    "pause": Clip(
        film(flat_world(25, lambda t: (6 * np.sin(t / 30), 2 * np.sin(t / 17), 1)), pausing_walker),
        frames=190,
        whole=True,
    ),
    "cut": Clip(film(hard_cut(12), walking_to_and_fro(SIZE, 24))),
    "dissolve": Clip(film(dissolve(8, 8), walking_to_and_fro(SIZE, 24))),
    "fade": Clip(
        film(flat_world(26, lambda t: (2 * t, 0, 1)), walking_to_and_fro(SIZE, 24), fade(40, 10)),
        frames=40,
        whole=True,
    ),
    "fade/pan": Clip(fade_picture(rendered_street(1), 10, 0), frames=40, whole=True),
    "fade/white": Clip(
        fade_picture(rendered_street(0.2, jerk_px=3), 16, 255), frames=40, whole=True
    ),
    "parallax": Clip(film(parallax_layers(3), lambda t: _BOXES, noise=0)),
    "dolly/object": Clip(film(dolly, walking_to_and_fro(SIZE, 30))),
    "dolly/box": Clip(film(dolly, lambda t: _BOXES)),
    "flight": Clip(film(flight, walking_to_and_fro(SIZE, 30))),
    # People and balls pass behind what is removed.
    "behind/cars": Clip(moving_behind(1, "car"), frames=64, whole=True),
    "behind/cars_2": Clip(moving_behind(4, "car"), frames=64, whole=True),
    "behind/cars_tripod": Clip(moving_behind(2, "car", speed=0), frames=64, whole=True),
    "behind/person": Clip(moving_behind(2, "nearest person"), frames=64, whole=True),
    "behind/person_tripod": Clip(
        moving_behind(1, "nearest person", speed=0), frames=64, whole=True
    ),
}
