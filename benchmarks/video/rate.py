"""Measure frames per second from decoding to the encoded file, and the time of each stage.

    OUTTAKE_DATA=PATH python -m benchmarks.video.rate checkpoint=runs/camvid
    python -m benchmarks.video.rate --pan 1080 1920

Makes a 960x540 video of the CamVid val drive, removes cars, pedestrians and bicyclists from it, and
prints the rate and each stage's working time per frame. With ``--pan`` it is a pan of that height
and width over a textured street, and one object that covers a twentieth of it, with its true masks.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from benchmarks.clips import camvid_drive
from benchmarks.removal.speed import make_clip
from outtake.config.compose import compose
from outtake.core.types import TimedFrame
from outtake.programs.infer_video import infer_video
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import VideoInfo
from outtake.video.write.video_writer import open_writer

SIZE = (540, 960)
PAN_HOLE, PAN_FRAMES = 0.05, 60
CLASSES = "remove=[car,pedestrian,bicyclist]"


def write_pan(folder: Path, height: int, width: int, frames: int) -> tuple[Path, Path]:
    """Write a pan and the masks of an object that walks through it; return both."""
    info = VideoInfo(Path("pan"), width, height, fps=Fraction(25), time_base=Fraction(1, 25))
    video, masks = folder / "pan.mp4", folder / "masks"
    masks.mkdir()
    with open_writer(video, info) as writer:
        pan = make_clip(height, width, PAN_HOLE, frames, objects=1)
        for number, (truth, masked) in enumerate(pan):
            shown = truth.copy()
            shown[masked.mask] = (60, 40, 160)
            writer.write(TimedFrame(shown, number, info.time_base))
            cv2.imwrite(str(masks / f"{number:05d}.png"), masked.mask.astype(np.uint8) * 255)
    return video, masks


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--repeats", type=int, default=3, help="plays of the drive, or 60 frames of the pan each"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pan", nargs=2, type=int, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE for infer_video.py")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.pan:
            video, masks = write_pan(folder, *options.pan, PAN_FRAMES * options.repeats)
            removed = [f"masks={masks}", "mask.dilate=0.005"]
        else:
            video, removed = camvid_drive(folder / "drive.mp4", *SIZE, options.repeats), [CLASSES]
        target = folder / "clean.mp4"
        rates = []
        for turn in range(options.rounds):
            overrides = [f"input={video}", f"output={target}", "overwrite=true", *removed]
            infer_video(compose("infer_video", [*overrides, *options.overrides]))
            report = json.loads(target.with_suffix(".report.json").read_text())
            rates.append(report["frames_per_second"])
            frames = report["frames"]
            stages = "  ".join(
                f"{stage} {1e3 * seconds / frames:.1f}"
                for stage, seconds in report["stage_s"].items()
            )
            hole = report["hole_share"]["mean"]
            print(
                f"round {turn + 1}: {rates[-1]:.1f} frames/s, hole {hole:.1%}; ms/frame: {stages}"
            )
        with open_clip(target) as clip:
            count = sum(1 for _ in clip)
        print(f"median {sorted(rates)[len(rates) // 2]:.1f} frames/s over {count} frames")


if __name__ == "__main__":
    main()
