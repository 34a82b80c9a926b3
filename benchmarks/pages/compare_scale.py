"""Time and size of ``compare.py`` on many long runs, against what was asked of it.

200 runs of 1,000 training records and 40 validations of 11 classes, each with a validation
picture of 1440 x 1440 pixels: under 10 s of wall time, the start of Python included, and at most
10 MB. Exits with 1 if it is slower or larger.

    python -m benchmarks.pages.compare_scale [--runs 200] [--records 1000] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.pages.compare_runs import write_run

MOST_S = 10.0
MOST_BYTES = 10_000_000
ROOT = Path(__file__).resolve().parents[2]


def measure(folder: Path, runs: int, records: int) -> tuple[float, int]:
    """Write the runs, compare them in a process of its own, return seconds and bytes."""
    for index in range(runs):
        write_run(
            folder / f"run_{index:03d}",
            seed=index % 4,
            lr=0.001 * (1 + index // 4),
            backbone=("resnet18", "mobilenet_v2")[index % 2],
            records=records,
            quality=0.4 + 0.2 * (index * 37 % runs) / runs,
            forward_ms=20 + index * 53 % 97,
        )
    page = folder / "compare.html"
    places = sorted(path for path in folder.iterdir() if path.is_dir())
    began_s = time.perf_counter()
    subprocess.run(
        [sys.executable, str(ROOT / "compare.py"), *map(str, places), "--output", str(page)],
        check=True,
    )
    return time.perf_counter() - began_s, page.stat().st_size


def main() -> None:
    """Measure and say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="leave runs and page in this new folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch) / "runs"
        seconds, size = measure(folder, arguments.runs, arguments.records)
    print(
        f"{arguments.runs} runs of {arguments.records} records: {seconds:.2f} s "
        f"(at most {MOST_S:.0f}), {size / 1e6:.2f} MB (at most {MOST_BYTES / 1e6:.0f})"
    )
    sys.exit(seconds > MOST_S or size > MOST_BYTES)


if __name__ == "__main__":
    main()
