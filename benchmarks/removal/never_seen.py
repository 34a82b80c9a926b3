"""What no frame shows: how like its surroundings the fill is, and whether it flickers.

For each clip and filler of ``clean_plate``, of the pixels that were synthesised, the medians over
the frames: ``slope``, the mean slope of the brightness as a multiple of that within 20 pixels of
the hole (1 is as rich in detail as they are), and the same for what is really there; and
``flicker``, the difference to the previous frame warped along the motion seen in the result, in
grey levels, beside that of the surroundings.

    python -m benchmarks.removal.never_seen [--clips tripod] [--frames 48] [--save FOLDER]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.removal.__main__ import save_frames
from benchmarks.removal.clips import camvid
from benchmarks.removal.rendered import dolly, film, flight, rendered_street
from benchmarks.removal.scores import estimate_motion, psnr, squared_error, warp_error
from benchmarks.removal.shots import SIZE, Shot, Shots
from outtake.core.frames import SYNTHESISED
from outtake.core.types import Frame, Mask
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.exemplar.remover import Exemplar
from outtake.removal.protocol import Filler
from outtake.removal.smooth_surface import SmoothSurface

FILLERS: dict[str, Callable[[], Filler]] = {"smooth": SmoothSurface, "exemplar": Exemplar}
SCORED_PIXELS = 50
_NEAR = np.ones((41, 41), np.uint8)


def draw_box(top: float, left: float, height: float, width: float, shape: tuple[int, int]) -> Mask:
    """Return a box whose sides are fractions of those of the picture."""
    hole = np.zeros(shape, bool)
    rows, columns = shape
    hole[
        round(top * rows) : round((top + height) * rows),
        round(left * columns) : round((left + width) * columns),
    ] = True
    return hole


def still_box(clip: Shots, hole: Mask) -> Shots:
    """Return the background of a clip with a hole that stands still in the picture."""

    def shots(frames: int) -> Iterator[Shot]:
        for shot in clip(frames):
            yield Shot(shot.truth, shot.truth, hole, np.zeros_like(hole))

    return shots


def no_hole(t: int) -> Mask:
    """Return the mask of a clip that is shown whole."""
    return np.zeros(SIZE, bool)


CLIPS: dict[str, Shots] = {
    "tripod": still_box(rendered_street(0), draw_box(0.42, 0.35, 0.375, 0.185, SIZE)),
    "tripod/house": still_box(rendered_street(0, clip=1), draw_box(0.1, 0.55, 0.4, 0.2, SIZE)),
    "drive": camvid(lambda t: draw_box(0.36, 0.375, 0.305, 0.25, (360, 480))),
    "dolly": still_box(film(dolly, no_hole), draw_box(0.4, 0.4, 0.3, 0.2, SIZE)),
    "flight": still_box(film(flight, no_hole), draw_box(0.35, 0.4, 0.3, 0.2, SIZE)),
}


@dataclass(frozen=True)
class Result:
    """The scores of one filler on one clip."""

    synthesised: float
    slope: float
    true_slope: float
    flicker: float
    flicker_near: float
    psnr_db: float
    took_ms: float


def mean_slope(image: Frame, where: Mask) -> float:
    """Return the mean slope of the brightness of some pixels, in grey levels per pixel."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *by, ksize=3) / 8 for by in ((1, 0), (0, 1)))
    return float(np.hypot(across, down)[where].mean())


def score_filler(shots: list[Shot], filler: Filler) -> tuple[Result, list[Frame]]:
    """Return the scores, and the frames."""
    items = (shot.masked(index) for index, shot in enumerate(shots))
    begin = time.process_time()
    filled = list(CleanPlate(filler=filler)(items))
    took_ms = (time.process_time() - begin) * 1e3 / len(shots)
    frames = [one.frame.image for one in filled]
    made, near = [], []
    slopes, errors = [], []
    for shot, one in zip(shots, filled, strict=True):
        origin = None if one.statistics is None else one.statistics.origin
        made.append(np.zeros_like(shot.hole) if origin is None else origin == SYNTHESISED)
        grown = cv2.dilate(one.source.mask.view(np.uint8), _NEAR) > 0
        near.append(grown & ~one.source.mask)
        if np.count_nonzero(made[-1]) >= SCORED_PIXELS:
            around = mean_slope(shot.truth, near[-1])
            own, true = (mean_slope(image, made[-1]) for image in (one.frame.image, shot.truth))
            slopes.append((own / around, true / around))
            errors.append(squared_error(shot.truth, one.frame.image, made[-1] & shot.scored()))
    moved = estimate_motion(frames)
    slope, true_slope = np.median(slopes, axis=0).tolist() if slopes else (np.nan, np.nan)
    result = Result(
        sum(np.count_nonzero(one) for one in made) / sum(np.count_nonzero(s.hole) for s in shots),
        slope,
        true_slope,
        warp_error(frames, made, moved),
        warp_error(frames, near, moved),
        psnr(errors),
        took_ms,
    )
    return result, frames


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", nargs="+", choices=CLIPS, default=list(CLIPS))
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--save", type=Path, help="a folder for the filled frames")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    table = Table(
        "clip", "filler", "synthesised", "slope", "true slope", "flicker", "near", "PSNR dB", "ms"
    )
    for clip in options.clips:
        shots = list(CLIPS[clip](options.frames))
        for name, make in FILLERS.items():
            result, frames = score_filler(shots, make())
            table.add_row(
                clip,
                name,
                f"{result.synthesised:.1%}",
                f"{result.slope:.2f}",
                f"{result.true_slope:.2f}",
                f"{result.flicker:.2f}",
                f"{result.flicker_near:.2f}",
                f"{result.psnr_db:.2f}",
                f"{result.took_ms:.0f}",
            )
            if options.save is not None:
                save_frames(options.save / clip.replace("/", "_") / name, frames)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
