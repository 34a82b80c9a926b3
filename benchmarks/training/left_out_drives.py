"""CamVid recipes judged on streets that they have not seen.

``val`` is the same drive as half of ``train``, so it flatters. Here a recipe is trained without one
drive and scored on all frames of that drive, for each drive that is named; ``val`` is scored too.
Which epoch is the best is decided on ``val``, never on the drive that was left out.

    OUTTAKE_DATA=PATH python -m benchmarks.training.left_out_drives experiment=camvid [OVERRIDE ...]
        [--drives 0006R0 0001TP] [--seeds 0] [--runs runs/left_out]

A run that was interrupted goes on where it stopped, and a finished one is not trained again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Scores = dict[str, Any]

DRIVES = ("0001TP", "0006R0", "0016E5")
ROOT = Path(__file__).resolve().parents[2]


def train_without(drive: str, seed: int, runs: Path, overrides: Sequence[str]) -> Path:
    """Train on the other drives unless that is done already; return the run folder."""
    run = runs / f"without-{drive}-seed-{seed}"
    if not (run / "summary.json").is_file():
        kept = ", ".join(f"'{other}'" for other in DRIVES if other != drive)
        run_program(
            "train.py",
            f"data.source.drives=[{kept}]",
            f"seed={seed}",
            f"name={run.name}",
            f"paths.runs={runs}",
            "resume=auto",
            *overrides,
        )
    return run


def score(run: Path, split: str, drives: Sequence[str], overrides: Sequence[str]) -> Scores:
    """Return the scores of a run on some drives of a split."""
    output = run / "evaluation" / f"{split}-{'-'.join(drives)}"
    if not (output / "metrics.json").is_file():
        named = ", ".join(f"'{drive}'" for drive in drives)
        run_program(
            "evaluate.py",
            f"checkpoint={run}",
            f"split={split}",
            f"+data.source.drives=[{named}]",
            f"output={output}",
            "report=false",
            *overrides,
        )
    scores: Scores = json.loads((output / "metrics.json").read_text())
    return scores


def run_program(*arguments: str) -> None:
    """Run a program of the root folder."""
    print(" ".join(arguments), flush=True)
    subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT)


def main() -> None:
    """Train, score and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--drives", nargs="+", default=["0006R0", "0001TP"], choices=DRIVES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/left_out"))
    parser.add_argument("--flip", action="store_true", help="score with the mirrored image too")
    arguments, overrides = parser.parse_known_args()
    flip = [f"network.flip={str(arguments.flip).lower()}"]
    rows = []
    for seed in arguments.seeds:
        for drive in arguments.drives:
            run = train_without(drive, seed, arguments.runs.resolve(), overrides)
            rows.append((drive, seed, score(run, "train", [drive], flip),
                         score(run, "val", ["0016E5"], flip)))  # fmt: skip
    print_table(rows)


def print_table(rows: Sequence[tuple[str, int, Scores, Scores]]) -> None:
    """Print the IoU of each class on the drive that was left out, and both means."""
    classes = rows[0][2]["classes"]
    table = Table(
        "drive", "seed", *classes, "mIoU", "val mIoU", title="scored on the drive left out"
    )
    for drive, seed, scored, val in rows:
        each = [_format(scored["iou"].get(name)) for name in classes]
        table.add_row(drive, str(seed), *each, _format(scored["miou"]), _format(val["miou"]))
    Console(width=160).print(table)
    means = [scored["miou"] for _, _, scored, _ in rows]
    print(f"mean over {len(rows)} runs: {statistics.mean(means):.4f}")


def _format(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
