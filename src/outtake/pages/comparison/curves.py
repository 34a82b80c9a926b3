"""The curves of all runs, thinned to what a page can carry, and the bands of their groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from outtake.pages.comparison.downsample_curves import downsample
from outtake.pages.comparison.run_record import OBJECTIVE, Curve, RunRecord

# Over all curves of a page; a point is about 14 bytes of it.
MAX_POINTS = 220_000
POINTS_PER_CURVE = (16, 600)


def collect_curves(runs: Sequence[RunRecord], groups: Sequence[list[int]]) -> dict[str, Any]:
    """Return ``metrics``, their ``curves`` by run, and ``bands`` by group of several runs."""
    # A member that died young may lack a metric that the others have.
    logged = {
        place: list(dict.fromkeys(key for index in members for key in runs[index].curves))
        for place, members in enumerate(groups)
        if len(members) > 1
    }
    count = sum(len(run.curves) for run in runs) + sum(map(len, logged.values()))
    least, most = POINTS_PER_CURVE
    each = min(max(MAX_POINTS // max(count, 1), least), most)
    metrics = sorted({key for run in runs for key in run.curves}, key=_metric_order)
    curves: dict[str, list[Any]] = {metric: [] for metric in metrics}
    bands: dict[str, list[Any]] = {metric: [] for metric in metrics}
    for index, run in enumerate(runs):
        for metric, curve in run.curves.items():
            kept = downsample(curve.values, each)
            curves[metric].append(
                {
                    "run": index,
                    "x": _round_values(curve.steps[kept]),
                    "y": _round_values(curve.values[kept]),
                }
            )
    for place, keys in logged.items():
        for metric in keys:
            band = _seed_band([runs[index].curves.get(metric) for index in groups[place]], each)
            if band is not None:
                bands[metric].append({"group": place, **band})
    return {"metrics": metrics, "curves": curves, "bands": bands}


def _seed_band(curves: Sequence[Curve | None], most: int) -> dict[str, Any] | None:
    """Return mean and sample deviation at the steps that all curves of a group have."""
    there = [curve for curve in curves if curve is not None]
    if len(there) < 2:
        return None
    steps = there[0].steps
    for curve in there[1:]:
        steps = np.intersect1d(steps, curve.steps, assume_unique=True)
    if not len(steps):
        return None
    rows = np.stack([c.values[np.searchsorted(c.steps, steps)] for c in there])
    mean, spread = rows.mean(0), rows.std(0, ddof=1)
    kept = downsample(mean, most)
    return {
        "x": _round_values(steps[kept]),
        "y": _round_values(mean[kept]),
        "spread": _round_values(spread[kept]),
    }


def _round_values(values: Any) -> list[float]:
    # Five digits are more than a screen shows; whole numbers stay whole.
    return [int(v) if v == int(v) and abs(v) < 1e15 else float(f"{v:.5g}") for v in values.tolist()]


def _metric_order(metric: str) -> tuple[int, str]:
    first = (OBJECTIVE, "val/loss", "train/loss", "train/loss_epoch", "val/pixel_accuracy")
    return (first.index(metric) if metric in first else len(first), metric)
