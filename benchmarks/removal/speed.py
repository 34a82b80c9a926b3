"""How fast the default remover is on a large picture.

Pans over a textured street with objects that cover a twentieth and a fifth of the picture, and
prints the milliseconds per frame on the clock and of processor time, and the PSNR in the hole:

    python -m benchmarks.removal.speed
    python -m benchmarks.removal.speed --holes 0.05 --removers clean_plate --profile
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import cv2
import numpy as np

from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.types import Frame, Mask, TimedFrame
from outtake.pipeline.stage_threads import limit_library_threads
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.inpaint import Inpaint

REMOVERS: dict[str, Callable[[], Callable[[Iterable[MaskedFrame]], Iterator[FilledFrame]]]] = {
    "clean_plate": CleanPlate,
    "telea": lambda: Inpaint("telea"),
}


def make_texture(height: int, width: int) -> Frame:
    """Return a wide picture with detail at several scales."""
    dice = np.random.default_rng(0)
    total = np.full((height, width, 3), 120.0, np.float32)
    for step in (3, 8, 30, 110):
        small = dice.normal(0, 14, (height // step + 2, width // step + 2, 3)).astype(np.float32)
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).astype(np.uint8)


def draw_objects(height: int, width: int, share: float, t: int) -> Mask:
    """Return four upright shapes that walk through the picture and cover a share of it."""
    mask = np.zeros((height, width), np.uint8)
    tall = np.sqrt(share * height * width / 4 / (0.4 * np.pi) * 1.09)
    for index in range(4):
        speed = width / 90 * (1 if index % 2 else -1)
        x = (0.125 + 0.25 * index) * width + speed * t
        y = height * (0.42 + 0.05 * index)
        axes = (round(0.4 * tall), round(tall))
        cv2.ellipse(mask, (round(x) % width, round(y)), axes, 0, 0, 360, 1, cv2.FILLED)
    return mask > 0


def make_clip(
    height: int, width: int, share: float, frames: int
) -> list[tuple[Frame, MaskedFrame]]:
    """Return the truth of each frame, and the frame as a remover gets it."""
    made = []
    world = make_texture(height + 40, width + 6 * frames + 40)
    for t in range(frames):
        x, y = 10 + 4.7 * t + 2 * np.sin(t / 3), 12 + 4 * np.sin(t / 9)
        map_ = np.array([[1, 0, x], [0, 1, y]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        truth = cv2.warpAffine(world, map_, (width, height), flags=flags)
        grain = np.random.default_rng(t).normal(0, 1.5, truth.shape)
        truth = np.clip(np.rint(truth + grain), 0, 255).astype(np.uint8)
        mask = draw_objects(height, width, share, t)
        shown = truth.copy()
        shown[mask] = (255, 0, 255)
        made.append((truth, MaskedFrame(TimedFrame(shown, t, Fraction(1, 25)), mask)))
    return made


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", nargs=2, type=int, default=(720, 1280), help="height and width")
    parser.add_argument("--holes", nargs="+", type=float, default=(0.05, 0.2), help="shares")
    parser.add_argument("--removers", nargs="+", choices=REMOVERS, default=list(REMOVERS))
    parser.add_argument("--frames", type=int, default=140)
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    options = parser.parse_args()
    limit_library_threads()  # as infer_video.py does
    print(f"{'hole':>6}{'remover':>12}{'wall ms':>9}{'cpu ms':>8}{'PSNR dB':>9}")
    for share in options.holes:
        made = make_clip(options.size[0], options.size[1], share, options.frames)
        covered = np.mean([item.mask.mean() for _, item in made])
        for name in options.removers:
            items = iter([item for _, item in made])
            remover, profile = REMOVERS[name](), cProfile.Profile()
            # As for an encoder, which gives memory back: it is not fresh for each frame.
            results = np.stack([np.full_like(truth, 1) for truth, _ in made])
            wall, cpu = time.perf_counter(), time.process_time()
            if options.profile:
                profile.enable()
            for number, filled in enumerate(remover(items)):
                results[number] = filled.frame.image
            profile.disable()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            errors = [
                np.square(truth[item.mask].astype(np.float32) - result[item.mask]).mean()
                for (truth, item), result in zip(made, results, strict=True)
            ]
            decibel = 10 * np.log10(255**2 / np.mean(errors))
            each = 1e3 / len(made)
            row = f"{covered:6.3f}{name:>12}{wall * each:9.1f}{cpu * each:8.1f}{decibel:9.2f}"
            print(row, flush=True)
            if options.profile:
                pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
