"""Compare two workers on one machine with one process: the same frames, and the time of each.

    python -m benchmarks.video.workers --frames 240

Removes objects from a rendered clip with true masks, first in one way, then in the other. Starting
Ray is part of the time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.clips import ROOT, scene_with_masks
from benchmarks.video.resume import same_frames

SIZE = (360, 640)


def seconds(video: Path, masks: Path, target: Path, workers: int) -> float:
    """Run one job, and return how long it took."""
    began_s = time.monotonic()
    command = [
        sys.executable, str(ROOT / "infer_video.py"), f"input={video}", f"masks={masks}",
        f"output={target}", "job.segment_frames=30", "remover.reach_frames=16",
        f"job.workers={workers}", "overwrite=true",
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=1200)
    return time.monotonic() - began_s


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video, masks = scene_with_masks(folder, options.frames, *SIZE)
        for turn in range(options.rounds):
            one, two = folder / "one.mp4", folder / "two.mp4"
            alone_s, together_s = (
                seconds(video, masks, target, workers) for target, workers in ((one, 0), (two, 2))
            )
            equal = same_frames(one, two)
            print(
                f"round {turn + 1}: one process {alone_s:.1f} s, two workers {together_s:.1f} s, "
                f"frames {'equal' if equal else 'DIFFER'}",
                flush=True,
            )
            if not equal:
                sys.exit(1)


if __name__ == "__main__":
    main()
