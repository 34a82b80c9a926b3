"""The accuracy of a removal against the background that was really there.

Hides known background, removes what hides it, and prints for the hole: PSNR in dB, SSIM, flicker
(difference to the previous frame warped along the true motion, in grey levels), the share that
was synthesised, and the processor time per frame (with one thread that is the time it takes on a
quiet machine). Where people and balls move behind what is removed, those scores are of the still
background alone, and the last two are of what moves:

    python -m benchmarks.removal --quick
    python -m benchmarks.removal --clips tennis/object tennis/box --removers telea clean_plate

``tennis`` and ``camvid`` are read from the folder in the environment variable OUTTAKE_DATA; the
other clips are rendered. Hidden pixels are overwritten before any remover sees them, moving
objects of a real clip too, but those are not scored, since nobody knows what is behind them.

What could be gained by moving what is hidden there from other frames by its true motion:

    python -m benchmarks.removal.moving_oracle

From checkpoint to encoded file, on rendered streets, with predicted masks:

    python -m benchmarks.removal --end-to-end runs/NAME --set remover=clean_plate

The protocol of video completion on DAVIS (432x240, whole frames, SSIM window 65), on a folder of
your own with JPEGImages/480p/CLIP/*.jpg and test_masks/CLIP/*.png:

    python -m benchmarks.removal --davis FOLDER
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.removal.baselines import homography_median, telea, unaligned_median
from benchmarks.removal.clips import CLIPS
from benchmarks.removal.scores import (
    Motion,
    estimate_motion,
    psnr,
    squared_error,
    ssim,
    warp_error,
)
from benchmarks.removal.shots import Shot
from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.types import Frame, Mask
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.field_remover import FieldRemover
from outtake.removal.inpaint import Inpaint

SCORED_PIXELS = 50
QUICK_FRAMES = 24

Stage = Callable[[Iterator[MaskedFrame]], Iterator[FilledFrame]]
REMOVERS: dict[str, Callable[[], Stage]] = {
    "telea": lambda: telea,
    "ns": lambda: Inpaint("ns"),
    "median": lambda: unaligned_median,
    "homography": lambda: homography_median,
    "clean_plate": CleanPlate,
    "clean_plate_moving": lambda: CleanPlate(moving=True),
    "fields": lambda: FieldRemover(CleanPlate(), "tff"),
}


@dataclass(frozen=True)
class Truth:
    """A clip and the motion in it, which do not depend on the remover."""

    shots: list[Shot]
    moved: list[Motion]

    @classmethod
    def of(cls, clip: str, frames: int) -> Truth:
        """Render or read a clip."""
        shots = list(CLIPS[clip].shots(frames))
        return cls(shots, estimate_motion([shot.truth for shot in shots]))

    def flicker(self, frames: Sequence[Frame]) -> float:
        """Return the flow-warp error of frames, in grey levels."""
        return warp_error(frames, [shot.scored() for shot in self.shots], self.moved)


@dataclass(frozen=True)
class Score:
    """The scores of one remover on one clip; ``synthesised`` is NaN without statistics.

    Those of what moves behind the hole are NaN if nothing does.
    """

    psnr_db: float
    ssim: float
    moving_psnr_db: float
    moving_ssim: float
    warp: float
    synthesised: float
    took_ms: float


def score_remover(
    truth: Truth, remover: Stage, *, tell_foreground: bool = False
) -> tuple[Score, list[Frame]]:
    """Return the scores and the filled frames."""
    items = [
        shot.masked(index, tell_foreground=tell_foreground)
        for index, shot in enumerate(truth.shots)
    ]
    results, synthesised, hidden = [], 0.0, 0.0
    begin = time.process_time()
    for filled in remover(iter(items)):
        results.append(filled.frame.image)
        if filled.statistics is not None:
            share = float(filled.source.mask.mean())
            synthesised += share * filled.statistics.synthesised
            hidden += share
    took_ms = (time.process_time() - begin) * 1e3 / len(items)
    still = score_pixels(truth.shots, results, [shot.scored() for shot in truth.shots])
    moving = score_pixels(truth.shots, results, [shot.moving_hidden() for shot in truth.shots])
    share = synthesised / hidden if hidden else float("nan")
    return Score(*still, *moving, truth.flicker(results), share, took_ms), results


def score_pixels(
    shots: Sequence[Shot], results: Sequence[Frame], scored: Sequence[Mask]
) -> tuple[float, float]:
    """Return the PSNR in dB and the SSIM of some pixels of each frame; NaN if there are too few."""
    errors, similarities = [], []
    for shot, result, pixels in zip(shots, results, scored, strict=True):
        if pixels.sum() >= SCORED_PIXELS:
            errors.append(squared_error(shot.truth, result, pixels))
            similarities.append(ssim(shot.truth, result, pixels))
    if not errors:
        return float("nan"), float("nan")
    return psnr(errors), float(np.mean(similarities))


def save_frames(folder: Path, frames: Sequence[Frame]) -> None:
    """Write frames as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{index:05d}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))


def print_scores(options: argparse.Namespace) -> None:
    """Print the table of clips and removers."""
    print(
        f"{'clip':21}{'remover':19}{'PSNR dB':>8}{'SSIM':>8}{'flicker':>9}"
        f"{'synthesised':>12}{'ms/frame':>10}{'moving dB':>11}{'SSIM':>8}"
    )
    for name in options.clips:
        clip = CLIPS[name]
        frames = options.frames or clip.frames
        if options.quick and not clip.whole:
            frames = min(frames, QUICK_FRAMES)
        truth = Truth.of(name, frames)
        floor = truth.flicker([shot.truth for shot in truth.shots])
        print(f"{name:21}{'(truth)':19}{'':16}{floor:9.2f}", flush=True)
        for remover in options.removers:
            score, results = score_remover(
                truth, REMOVERS[remover](), tell_foreground=options.foreground
            )
            synthesised = "-" if np.isnan(score.synthesised) else f"{score.synthesised:.1%}"
            moving = ""
            if not np.isnan(score.moving_psnr_db):
                moving = f"{score.moving_psnr_db:11.2f}{score.moving_ssim:8.3f}"
            print(
                f"{name:21}{remover:19}{score.psnr_db:8.2f}{score.ssim:8.3f}{score.warp:9.2f}"
                f"{synthesised:>12}{score.took_ms:10.1f}{moving}",
                flush=True,
            )
            if options.save is not None:
                save_frames(options.save / name.replace("/", "_") / remover, results)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", nargs="+", choices=CLIPS, default=list(CLIPS))
    parser.add_argument("--removers", nargs="+", choices=REMOVERS, default=list(REMOVERS))
    parser.add_argument("--frames", type=int, help="frames of each clip, at most")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_FRAMES} frames of most clips")
    parser.add_argument("--foreground", action="store_true", help="with mask.foreground")
    parser.add_argument("--threads", type=int, default=1, help="the number of OpenCV threads")
    parser.add_argument("--save", type=Path, help="a folder for the filled frames")
    parser.add_argument("--end-to-end", metavar="CHECKPOINT", help="score with predicted masks")
    parser.add_argument("--scenes", type=int, default=3, help="the number of clips, end to end")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="options for infer_video, end to end",
    )
    parser.add_argument("--davis", type=Path, metavar="FOLDER", help="in the layout of DAVIS")
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    if options.davis is not None:
        from benchmarks.removal.davis import davis

        made = {name: REMOVERS[name] for name in options.removers}
        davis(options.davis, made, options.frames)
    elif options.end_to_end is not None:
        # Loads what training needs, which takes longer than some of the clips.
        from benchmarks.removal.end_to_end import end_to_end

        end_to_end(options.end_to_end, options.scenes, options.frames or 96, options.set)
    else:
        print_scores(options)


if __name__ == "__main__":
    main()
