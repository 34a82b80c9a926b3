"""The curves of all runs, downsampled to what a page can carry, and the bands of their groups."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.pages.comparison.run_record import OBJECTIVE, Curve, RunRecord

# The number of points of all curves of a page; a point takes about 14 bytes.
MAX_POINTS = 220_000
POINTS_PER_CURVE = (16, 600)


def collect_curves(runs: Sequence[RunRecord], groups: Sequence[list[int]]) -> dict[str, Any]:
    """Return ``metrics``, their ``curves`` by run, and ``bands`` by group of several runs."""
    # A run of a group that died early may lack a metric that the others have.
    logged = {
        place: list(dict.fromkeys(key for index in members for key in runs[index].curves))
        for place, members in enumerate(groups)
        if len(members) > 1
    }
    count = sum(len(run.curves) for run in runs) + sum(map(len, logged.values()))
    least, most = POINTS_PER_CURVE
    max_points = min(max(MAX_POINTS // max(count, 1), least), most)
    metrics = sorted({key for run in runs for key in run.curves}, key=_metric_order)
    curves: dict[str, list[Any]] = {metric: [] for metric in metrics}
    bands: dict[str, list[Any]] = {metric: [] for metric in metrics}
    for index, run in enumerate(runs):
        for metric, curve in run.curves.items():
            kept = downsample(curve.values, max_points)
            x, y = _round_values(curve.steps[kept]), _round_values(curve.values[kept])
            curves[metric].append({"run": index, "x": x, "y": y})
    for place, keys in logged.items():
        for metric in keys:
            band = _seed_band(
                [runs[index].curves.get(metric) for index in groups[place]], max_points
            )
            if band is not None:
                bands[metric].append({"group": place, **band})
    return {"metrics": metrics, "curves": curves, "bands": bands}


def downsample(values: NDArray[np.float64], max_points: int) -> NDArray[np.int64]:
    """Choose which points of a curve to keep.

    The curve is cut into equal stretches, and the lowest and the highest point of each are kept,
    as are the first and the last point: no peak is lost, wherever it is.

    Args:
        values: The values in the order of the curve, finite, (N,).
        max_points: The number of points to keep, at least 4.

    Returns:
        Increasing positions, at most ``max_points``; all of them if there are no more.
    """
    count = len(values)
    if count <= max_points:
        return np.arange(count)
    edges = np.linspace(0, count, max((max_points - 2) // 2, 1) + 1).astype(np.int64)
    kept = {0, count - 1}
    for begin, end in pairwise(edges.tolist()):
        stretch = values[begin:end]
        kept.add(int(begin + stretch.argmin()))
        kept.add(int(begin + stretch.argmax()))
    return np.array(sorted(kept), np.int64)


def _seed_band(curves: Sequence[Curve | None], max_points: int) -> dict[str, Any] | None:
    """Return mean and sample deviation at the steps that all curves of a group have."""
    found = [curve for curve in curves if curve is not None]
    if len(found) < 2:
        return None
    steps = found[0].steps
    for curve in found[1:]:
        steps = np.intersect1d(steps, curve.steps, assume_unique=True)
    if not len(steps):
        return None
    rows = np.stack([c.values[np.searchsorted(c.steps, steps)] for c in found])
    mean, spread = rows.mean(0), rows.std(0, ddof=1)
    kept = downsample(mean, max_points)
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
