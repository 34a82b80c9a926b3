"""The accuracy of ``outtake stitch``: each frame cut out of the picture of its shot again.

What the picture shows where a frame lies, in the light of that frame, is compared with what the
frame would show without what was removed: PSNR in dB in the hole and outside of it, and the share
of the hole's pixels that no frame shows. Both are sampled twice, which alone costs some decibels.

    OUTTAKE_DATA=PATH python -m benchmarks.removal.stitching [--clips pan tripod] [--frames 60]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.removal.clips import CLIPS
from benchmarks.removal.scores import psnr, squared_error
from benchmarks.removal.shots import Shot
from outtake.removal.stitching.open_shot import StitchedBackground
from outtake.removal.stitching.stitcher import BackgroundStitcher

CHOSEN = ("tripod", "pan", "pan/fast", "handheld", "exposure", "zoom", "pause", "cut",
          "tennis/object", "parallax", "camvid/box")  # fmt: skip


def score(backgrounds: Sequence[StitchedBackground], shots: Sequence[Shot]) -> list[str]:
    """Return the figures of a clip as text."""
    inside: list[float] = []
    outside: list[float] = []
    unseen = hidden = 0
    for background in backgrounds:
        for each in background.frames:
            shot = shots[each.number]
            flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
            size = shot.truth.shape[1::-1]
            moved = cv2.warpPerspective(background.picture, each.to_picture, size, flags=flags)
            seen = moved[..., 3] == 255
            lit = (moved[..., :3] - each.light.offset) / each.light.gain
            shown = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
            hole = shot.scored()
            kept = seen & ~shot.hole & ~shot.own
            for errors, scored in ((inside, hole & seen), (outside, kept)):
                if scored.any():
                    errors.append(squared_error(shot.truth, shown, scored))
            unseen += np.count_nonzero(hole & ~seen)
            hidden += np.count_nonzero(hole)
    residuals = [each.residual_grey for one in backgrounds for each in one.frames]
    known = [residual for residual in residuals if residual is not None]
    return [
        str(len(backgrounds)),
        f"{psnr(inside):.1f}",
        f"{psnr(outside):.1f}",
        f"{unseen / max(hidden, 1):.1%}",
        f"{np.mean(known) if known else 0:.1f}",
    ]


def main() -> None:
    """Stitch every clip, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", nargs="+", default=list(CHOSEN), choices=list(CLIPS))
    parser.add_argument("--frames", type=int, default=60)
    arguments = parser.parse_args()
    table = Table("clip", "pictures", "hole", "outside", "not seen", "residual", "ms a frame")
    for name in arguments.clips:
        shots = list(CLIPS[name].shots(arguments.frames))
        begin = time.process_time()
        items = (shot.masked(index) for index, shot in enumerate(shots))
        backgrounds = list(BackgroundStitcher()(items))
        spent_ms = 1000 * (time.process_time() - begin) / len(shots)
        table.add_row(name, *score(backgrounds, shots), f"{spent_ms:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
