"""Measure frames per second from decoding to the encoded file, and the time of each stage.

    python -m benchmarks.video.rate checkpoint=runs/camvid

Makes a 960x540 video of the CamVid val drive (in OUTTAKE_DATA), removes cars, pedestrians and
bicyclists from it, and prints the rate and each stage's working time per frame.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.clips import camvid_drive
from outtake.config.compose import compose
from outtake.programs.infer_video import infer_video
from outtake.video.read.clip import open_clip

SIZE = (540, 960)
CLASSES = "remove=[car,pedestrian,bicyclist]"


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--repeats", type=int, default=3, help="number of times the drive is played"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("overrides", nargs="+", help="KEY=VALUE for infer_video.py")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = camvid_drive(folder / "drive.mp4", *SIZE, options.repeats)
        target = folder / "clean.mp4"
        rates = []
        for turn in range(options.rounds):
            overrides = [f"input={video}", f"output={target}", "overwrite=true", CLASSES]
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
