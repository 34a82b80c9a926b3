"""Runs of a benchmark: each is trained once, resumed where it stopped, and compared by score."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.training.left_out_drives import run_program

Summary = dict[str, Any]

# Where a run lies and how it is begun, beside what it is.
_PLACE = ("name", "paths.runs", "resume")


def train_once(run: Path, overrides: Sequence[str]) -> Summary:
    """Train unless that is done already, and return the run's ``summary.json``.

    Args:
        run: The run folder; it may hold a run that was interrupted.
        overrides: The config of the run.
    """
    summary = run / "summary.json"
    _check_same_run(run, overrides)
    if not summary.is_file():
        run_program(
            "train.py", f"name={run.name}", f"paths.runs={run.parent}", "resume=auto", *overrides
        )
    read: Summary = json.loads(summary.read_text())
    return read


def _check_same_run(run: Path, overrides: Sequence[str]) -> None:
    """End the program where a run was made with other settings."""
    record = run / "overrides.yaml"
    if not record.is_file():
        return
    before = _settings(yaml.safe_load(record.read_text()))
    wanted = _settings([*overrides, *(f"{key}={before[key]}" for key in _PLACE if key in before)])
    apart = sorted(dict(before.items() ^ wanted.items()))
    if apart:
        print(
            f"error: {run} was trained with other settings ({', '.join(apart)}); name another "
            "folder with --runs",
            file=sys.stderr,
        )
        raise SystemExit(2)


def _settings(overrides: Sequence[str]) -> dict[str, str]:
    """Return what overrides set, the last one of each key."""
    return dict(each.split("=", 1) if "=" in each else (each, "") for each in overrides)


def best_miou(summary: Summary) -> float:
    """Return the best ``val/miou`` of a run."""
    return float(summary["best"]["val/miou"])


def print_comparison(title: str, runs: Mapping[str, Sequence[Summary]]) -> None:
    """Print scores and times of some methods over the same seeds, the first of which is the base.

    Args:
        title: The title of the table.
        runs: The summaries by the name of the method, one for each seed.
    """
    table = Table("method", "val mIoU of each seed", "mean", "spread", "points", "minutes",
                  title=title)  # fmt: skip
    base = statistics.mean(best_miou(each) for each in next(iter(runs.values())))
    for name, summaries in runs.items():
        values = [best_miou(each) for each in summaries]
        mean = statistics.mean(values)
        minutes = statistics.mean(float(each["wall_time_s"]) for each in summaries) / 60
        table.add_row(
            name,
            " ".join(f"{value:.4f}" for value in values),
            f"{mean:.4f}",
            f"{max(values) - min(values):.4f}",
            f"{100 * (mean - base):+.2f}",
            f"{minutes:.1f}",
        )
    Console(width=120).print(table)
