"""Kill a removal at random moments, resume it each time, and compare with an uninterrupted one.

    python -m benchmarks.video.resume --kills 30

Each job is killed (SIGKILL) after a random time until there were as many kills as requested. The
frames of every finished output must equal those of the uninterrupted run.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.clips import ROOT, scene_with_masks
from outtake.video.read.clip import open_clip

SIZE = (180, 320)


def command(video: Path, masks: Path, target: Path, segment_frames: int) -> list[str]:
    """Return the command line of one job."""
    return [
        sys.executable, str(ROOT / "infer_video.py"), f"input={video}", f"masks={masks}",
        f"output={target}", f"job.segment_frames={segment_frames}", "remover.reach_frames=16",
    ]  # fmt: skip


def same_frames(first: Path, second: Path) -> bool:
    """Tell whether two videos show the same frames at the same times."""
    with open_clip(first) as left, open_clip(second) as right:
        return all(
            a.pts * a.time_base == b.pts * b.time_base and np.array_equal(a.image, b.image)
            for a, b in zip(left, right, strict=True)
        )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--segment-frames", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video, masks = scene_with_masks(folder, options.frames, *SIZE)
        whole = folder / "whole.mp4"
        begin = time.monotonic()
        subprocess.run(command(video, masks, whole, options.segment_frames), check=True)
        took_s = time.monotonic() - begin
        print(f"uninterrupted: {took_s:.1f} s", flush=True)
        kills = jobs = equal = 0
        while kills < options.kills:
            target = folder / f"{jobs}.mp4"
            while True:
                run = subprocess.Popen(command(video, masks, target, options.segment_frames))
                # Not before the program has started, and past its end now and then.
                wait_s = rng.uniform(0.2, 1.1) * took_s if kills < options.kills else None
                try:
                    code = run.wait(wait_s)
                except subprocess.TimeoutExpired:
                    run.kill()
                    run.wait()
                    kills += 1
                    if target.exists():  # it was through already, and only its report to come
                        break
                    continue
                if code:
                    sys.exit(f"job {jobs} ended with {code} after {kills} kills")
                break
            good = same_frames(whole, target)
            jobs += 1
            equal += good
            print(f"{kills} kills, {jobs} outputs, {equal} equal", flush=True)
            target.unlink()
        sys.exit(0 if equal == jobs else 1)


if __name__ == "__main__":
    main()
