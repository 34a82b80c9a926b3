"""Reflections on wet roads: how well they are found, what is left of them, and false alarms.

    OUTTAKE_DATA=PATH python -m benchmarks.removal.reflections [--clips 3] [--frames 96]
        [--only wet dry tennis] [--save FOLDER]

``wet``: ``data=scenes`` with ``data.source.wet=true``, the test split. Precision and recall of what
``mask.reflections`` adds, outside the rim of the objects that dilation covers anyway; precision
where added pixels that a shadow darkens are left out; and the PSNR, in all that is an object or
truly mirrors one and two pixels around, of what the remover ``clean_plate`` leaves against the
street without objects, their shadows and reflections: with ``mask.shadows`` alone and with both.
``dry``: what is added on the same streets when they are dry, as a share of the objects.
``tennis``: the same on the tennis clip, whose court mirrors nothing.
Times are processor time of the mask stage per frame, OpenCV in one thread, at 480x270.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.removal.clips import data_folder, read, read_mask
from benchmarks.removal.scores import psnr, squared_error
from outtake.core.frames import LabelledFrame, MaskedFrame
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, Mask, TimedFrame
from outtake.data.scenes import Scenes
from outtake.data.synthetic.rendered_clip import SceneFrame
from outtake.masking.policy import MaskPolicy
from outtake.removal.clean_plate.remover import CleanPlate

PARTS = ("wet", "dry", "tennis")
SIZE = (270, 480)
RIM_PX, SCORED_RIM_PX, SCORED_PIXELS = 4, 2, 50


@dataclass
class Count:
    """Numbers of pixels outside the rim of objects, and of the objects themselves.

    Attributes:
        found: Those that were added and mirror something.
        wrong: Those that were added and mirror nothing.
        shadow: Those of ``wrong`` that a shadow darkens.
        missed: Those that mirror something and were not added.
        objects: Those of objects.
        spent_s: The processor time of the mask stage.
        frames: The number of frames.
    """

    found: int = 0
    wrong: int = 0
    shadow: int = 0
    missed: int = 0
    objects: int = 0
    spent_s: float = 0.0
    frames: int = 0
    errors: dict[str, list[float]] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return a row of the table."""
        added = self.found + self.wrong
        cells = [
            f"{self.found / max(added, 1):9.1%}",
            f"{self.found / max(added - self.shadow, 1):15.1%}",
            f"{self.found / max(self.found + self.missed, 1):7.1%}",
            f"{added / max(self.objects, 1):14.2%}",
            f"{1000 * self.spent_s / max(self.frames, 1):9.1f}",
            *(f"{psnr(errors):10.2f}" for errors in self.errors.values()),
        ]
        return " ".join(cells)


def rendered(wet: bool, index: int, frames: int) -> tuple[list[LabelledFrame], list[SceneFrame]]:
    """Return a street of the test split with its true labels, and its truth."""
    clip = Scenes(height=SIZE[0], width=SIZE[1], wet=wet).clip("test", index, frames)
    scenes = list(clip)
    labelled = [
        LabelledFrame(TimedFrame(scene.image, number, 1 / clip.fps), scene.labels, clip.labels)
        for number, scene in enumerate(scenes)
    ]
    return labelled, scenes


def tennis(frames: int) -> list[LabelledFrame]:
    """Return the tennis clip with the labels of its player."""
    space = LabelSpace.from_names(("court", "player"))
    root = data_folder() / "tennis"
    names = sorted(path.name for path in (root / "frames").glob("*.png"))[:frames]
    return [
        LabelledFrame(
            TimedFrame(read(root / "frames" / name), number, Fraction(1, 24)),
            read_mask(root / "own" / name).astype(np.uint8),
            space,
        )
        for number, name in enumerate(names)
    ]


def add_found(
    count: Count,
    items: Sequence[LabelledFrame],
    names: Sequence[str],
    truth: Sequence[tuple[Mask, Mask]],
) -> None:
    """Count what reflections add to masks.

    Args:
        count: What is added to.
        items: The frames and their labels.
        names: The classes that are removed.
        truth: Where something is mirrored and where there is shadow in each frame, bool (H, W).
    """
    space = items[0].label_space
    plain = [one.mask for one in MaskPolicy.from_names(space, remove=names, dilate=0)(items)]
    begun = time.process_time()
    both = MaskPolicy.from_names(space, remove=names, dilate=0, reflections=True)(items)
    masks = [one.mask for one in both]
    count.spent_s += time.process_time() - begun
    count.frames += len(items)
    for mask, without, (mirrored, shadow) in zip(masks, plain, truth, strict=True):
        beyond = ~dilate(without, RIM_PX)
        added, true = mask & beyond, mirrored & beyond
        count.found += int(np.count_nonzero(added & true))
        count.wrong += int(np.count_nonzero(added & ~true))
        count.shadow += int(np.count_nonzero(added & ~true & shadow))
        count.missed += int(np.count_nonzero(true & ~added))
        count.objects += int(np.count_nonzero(without))


def remove(
    items: Sequence[LabelledFrame], names: Sequence[str], reflections: bool
) -> list[tuple[MaskedFrame, Frame]]:
    """Return each frame with its mask, and what ``clean_plate`` makes of it."""
    policy = MaskPolicy.from_names(
        items[0].label_space, remove=names, shadows=True, reflections=reflections
    )
    filled = CleanPlate()(number_frames(policy(items)))
    return [(one.source, one.frame.image) for one in filled]


def number_frames(clip: Iterator[MaskedFrame]) -> Iterator[MaskedFrame]:
    """Yield masked frames with their numbers."""
    for number, one in enumerate(clip):
        yield MaskedFrame(one.frame, one.mask, number=number)


def add_errors(
    count: Count,
    title: str,
    scenes: Sequence[SceneFrame],
    results: Sequence[Frame],
    objects: Sequence[int],
) -> None:
    """Add the squared errors of results in all that is an object or mirrors one."""
    for scene, result in zip(scenes, results, strict=True):
        scored = dilate(np.isin(scene.labels, objects) | scene.reflection, SCORED_RIM_PX)
        if np.count_nonzero(scored) >= SCORED_PIXELS:
            error = squared_error(scene.background, result, scored)
            count.errors.setdefault(title, []).append(error)


def dilate(mask: Mask, radius_px: int) -> NDArray[np.bool_]:
    """Return a mask that is larger by a radius."""
    tip = np.ones((2 * radius_px + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), tip) > 0)


def measure_streets(wet: bool, clips: int, frames: int, folder: Path | None) -> None:
    """Print the rows of rendered streets."""
    total = Count()
    names = Scenes.object_names
    for index in range(clips):
        items, scenes = rendered(wet, index, frames)
        truth = [(scene.reflection, scene.shadow) for scene in scenes]
        count = Count()
        add_found(count, items, names, truth)
        if wet:
            ids = items[0].label_space.ids(names)
            add_errors(count, "shown", scenes, [scene.image for scene in scenes], ids)
            for reflections in (False, True):
                made = remove(items, names, reflections)
                title = "both" if reflections else "shadows"
                add_errors(count, title, scenes, [image for _, image in made], ids)
                if folder is not None:
                    save(folder / f"test{index}_{title}", scenes, made)
        print(f"{'wet' if wet else 'dry'} test/{index:<4} {count}", flush=True)
        for name, value in vars(count).items():
            if isinstance(value, dict):
                for title, errors in value.items():
                    total.errors.setdefault(title, []).extend(errors)
            else:
                setattr(total, name, getattr(total, name) + value)
    print(f"{'wet' if wet else 'dry'} {'all':<9} {total}", flush=True)


def save(
    folder: Path, scenes: Sequence[SceneFrame], made: Sequence[tuple[MaskedFrame, Frame]]
) -> None:
    """Write each frame, its mask, the result and the truth beside each other, as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (scene, (masked, result)) in enumerate(zip(scenes, made, strict=True)):
        shown = scene.image.copy()
        shown[masked.mask] = (255, 0, 255)
        row = np.hstack((scene.image, shown, result, scene.background))
        cv2.imwrite(str(folder / f"{number:03d}.png"), cv2.cvtColor(row, cv2.COLOR_RGB2BGR))


def measure_tennis(frames: int) -> None:
    """Print the row of the tennis clip."""
    items = tennis(frames)
    nothing = np.zeros(items[0].labels.shape, bool)
    count = Count()
    add_found(count, items, ["player"], [(nothing, nothing)] * len(items))
    print(f"tennis        {count}")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=3, help="the number of streets")
    parser.add_argument("--frames", type=int, default=96, help="the frames of each clip")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--save", type=Path, help="a folder for pictures of wet streets")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(
        "              precision  without shadow  recall  added/objects  ms/frame  PSNR in dB: "
        "shown, shadows alone, and reflections"
    )
    for wet in (True, False):
        if ("wet" if wet else "dry") in options.only:
            measure_streets(wet, options.clips, options.frames, options.save)
    if "tennis" in options.only:
        measure_tennis(options.frames)


if __name__ == "__main__":
    main()
