"""Peak memory of a removal against the length of its clip.

    python -m benchmarks.removal.memory

Cleans a clip and one ten times as long, each in a process of its own, and prints the ratio of their
peak resident sizes. The short one is longer than what clean_plate looks at, keyframes included.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.clips import ROOT, scene_with_masks


def peak_mb(video: Path, masks: Path, target: Path, overrides: list[str]) -> float:
    """Return the peak resident size of one job in MB."""
    arguments = [f"input={video}", f"masks={masks}", f"output={target}", *overrides]
    pid = os.posix_spawn(
        sys.executable, [sys.executable, str(ROOT / "infer_video.py"), *arguments], os.environ
    )
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"infer_video.py ended with status {status}")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=640, help="of the short clip")
    parser.add_argument("--height", type=int, default=180)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE for infer_video.py")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        peaks = []
        for factor in (1, 10):
            folder = Path(name) / str(factor)
            folder.mkdir()
            frames = factor * options.frames
            video, masks = scene_with_masks(folder, frames, options.height, options.width)
            peaks.append(peak_mb(video, masks, folder / "out.mp4", options.overrides))
            print(f"{frames} frames: {peaks[-1]:.0f} MB", flush=True)
        print(f"ratio {peaks[1] / peaks[0]:.3f} (at most 1.05)")


if __name__ == "__main__":
    main()
