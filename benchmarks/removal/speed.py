"""How fast the default remover is on a large picture.

Pans over a textured street with objects that cover a twentieth and a fifth of the picture, and
prints the milliseconds per frame on the clock and of processor time, and the PSNR in the hole:

    python -m benchmarks.removal.speed
    python -m benchmarks.removal.speed --holes 0.05 --removers clean_plate --profile
    python -m benchmarks.removal.speed --holes 0 0.01 0.02 0.05 0.1 0.2 0.4 --removers clean_plate
    OUTTAKE_DATA=PATH python -m benchmarks.removal.speed --drive --frames 60 --rounds 5

``--drive`` removes the cars, pedestrians and bicyclists of CamVid's val drive by its labels, at
960x540: many small holes and strong parallax. What is behind them is not known: there is no PSNR.
Rows are medians of the rounds, the first of which is preceded by one that is not counted.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction

import cv2
import numpy as np

from benchmarks.clips import data_folder
from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.types import Frame, Mask, TimedFrame
from outtake.pipeline.stage_threads import limit_library_threads
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.inpaint import Inpaint

REMOVERS: dict[str, Callable[[], Callable[[Iterable[MaskedFrame]], Iterator[FilledFrame]]]] = {
    "clean_plate": CleanPlate,
    "telea": lambda: Inpaint("telea"),
}


# Width and height, and the ids of cars, pedestrians and bicyclists.
DRIVE_SIZE, DRIVE_CLASSES = (960, 540), (8, 9, 10)


def make_texture(height: int, width: int) -> Frame:
    """Return a wide picture with detail at several scales."""
    dice = np.random.default_rng(0)
    total = np.full((height, width, 3), 120.0, np.float32)
    for step in (3, 8, 30, 110):
        small = dice.normal(0, 14, (height // step + 2, width // step + 2, 3)).astype(np.float32)
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).astype(np.uint8)


def draw_objects(height: int, width: int, share: float, t: int, count: int = 4) -> Mask:
    """Return upright shapes that walk through the picture and cover a share of it."""
    mask = np.zeros((height, width), np.uint8)
    tall = np.sqrt(share * height * width / count / (0.4 * np.pi) * 1.09)
    for index in range(count if share else 0):
        speed = width / 90 * (1 if index % 2 else -1)
        x = (0.5 + index) / count * width + speed * t
        y = height * (0.42 + 0.05 * index)
        axes = (round(0.4 * tall), round(tall))
        cv2.ellipse(mask, (round(x) % width, round(y)), axes, 0, 0, 360, 1, cv2.FILLED)
    return mask > 0


def make_clip(
    height: int, width: int, share: float, frames: int, objects: int = 4
) -> Iterator[tuple[Frame, MaskedFrame]]:
    """Yield the truth of each frame, and the frame as a remover gets it."""
    world = make_texture(height + 40, width + 6 * frames + 40)
    for t in range(frames):
        x, y = 10 + 4.7 * t + 2 * np.sin(t / 3), 12 + 4 * np.sin(t / 9)
        map_ = np.array([[1, 0, x], [0, 1, y]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        truth = cv2.warpAffine(world, map_, (width, height), flags=flags)
        grain = np.random.default_rng(t).normal(0, 1.5, truth.shape)
        truth = np.clip(np.rint(truth + grain), 0, 255).astype(np.uint8)
        mask = draw_objects(height, width, share, t, objects)
        shown = truth.copy()
        shown[mask] = (255, 0, 255)
        yield truth, MaskedFrame(TimedFrame(shown, t, Fraction(1, 25)), mask)


def camvid_drive(frames: int) -> list[tuple[Frame, MaskedFrame]]:
    """Return frames of CamVid's val drive, with what moves masked by its labels."""
    made = []
    for t, file in enumerate(sorted((data_folder() / "camvid" / "val").iterdir())[:frames]):
        labels = cv2.imread(str(file.parents[1] / "valannot" / f"{file.stem}.png"), -1)
        image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        image = np.ascontiguousarray(cv2.resize(image, DRIVE_SIZE, interpolation=cv2.INTER_CUBIC))
        hidden = np.isin(labels, DRIVE_CLASSES).astype(np.uint8)
        hidden = cv2.resize(hidden, DRIVE_SIZE, interpolation=cv2.INTER_NEAREST)
        mask = cv2.dilate(hidden, np.ones((19, 19), np.uint8)) > 0
        made.append((image, MaskedFrame(TimedFrame(image, t, Fraction(1, 15)), mask)))
    return made


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", nargs=2, type=int, default=(720, 1280), help="height and width")
    parser.add_argument("--holes", nargs="+", type=float, default=(0.05, 0.2), help="shares")
    parser.add_argument("--removers", nargs="+", choices=REMOVERS, default=list(REMOVERS))
    parser.add_argument("--frames", type=int, default=140)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--drive", action="store_true", help="CamVid's val drive, at 960x540")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    options = parser.parse_args()
    limit_library_threads()  # as infer_video.py does
    print(f"{'hole':>6}{'remover':>12}{'wall ms':>9}{'cpu ms':>8}{'PSNR dB':>9}")
    clips = (
        [camvid_drive(options.frames)]
        if options.drive
        else (list(make_clip(*options.size, share, options.frames)) for share in options.holes)
    )
    for made in clips:
        covered = np.mean([item.mask.mean() for _, item in made])
        for name in options.removers:
            profile = cProfile.Profile() if options.profile else None
            results, _, _ = measure(REMOVERS[name], made[:8], None)  # loops may be compiled
            times = []
            for _ in range(options.rounds):
                results, *spent = measure(REMOVERS[name], made, profile)
                times.append(spent)
            wall, cpu = 1e3 * np.median(times, axis=0) / len(made)
            decibel = np.nan if options.drive else hole_psnr(made, results)
            row = f"{covered:6.3f}{name:>12}{wall:9.1f}{cpu:8.1f}{decibel:9.2f}"
            print(row, flush=True)
            if profile is not None:
                pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def measure(
    remover: Callable[[], Callable[[Iterable[MaskedFrame]], Iterator[FilledFrame]]],
    made: Sequence[tuple[Frame, MaskedFrame]],
    profile: cProfile.Profile | None,
) -> tuple[list[Frame], float, float]:
    """Return the frames of a removal, its seconds, and its seconds of processor time."""
    # As for an encoder, which gives memory back: it is not fresh for each frame.
    results = [np.full_like(truth, 1) for truth, _ in made]
    items = iter([item for _, item in made])
    wall, cpu = time.perf_counter(), time.process_time()
    if profile is not None:
        profile.enable()
    for number, filled in enumerate(remover()(items)):
        results[number][:] = filled.frame.image
    if profile is not None:
        profile.disable()
    return results, time.perf_counter() - wall, time.process_time() - cpu


def hole_psnr(made: Sequence[tuple[Frame, MaskedFrame]], results: Sequence[Frame]) -> float:
    """Return the PSNR in the holes, in dB; NaN without one."""
    errors = [
        np.square(truth[item.mask].astype(np.float32) - result[item.mask]).mean()
        for (truth, item), result in zip(made, results, strict=True)
        if item.mask.any()
    ]
    if not errors:
        return np.nan
    return float(10 * np.log10(255**2 / np.mean(errors)))


if __name__ == "__main__":
    main()
