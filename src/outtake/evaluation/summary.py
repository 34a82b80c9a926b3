"""What ``metrics.json`` says beyond the scores: intervals, outlines, calibration, each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from outtake.evaluation.bootstrap import MIN_UNITS, Bootstrap
from outtake.evaluation.boundary import F_TOLERANCE, IOU_TOLERANCE
from outtake.evaluation.calibration_error import (
    BINS,
    CONFIDENCE,
    CORRECT,
    COUNT,
    expected_calibration_error,
)
from outtake.evaluation.evaluator import Evaluator
from outtake.evaluation.metrics import (
    METRICS,
    TRUE,
    Floats,
    by_class_name,
    nan_mean,
    ratio,
    score_counts,
)
from outtake.evaluation.sampling_units import SamplingUnits


def detailed_scores(
    evaluator: Evaluator,
    names: Sequence[str],
    ids: Sequence[str],
    bootstrap: Bootstrap,
    units: SamplingUnits,
) -> dict[str, Any]:
    """Return ``intervals``, ``boundary``, ``calibration`` and ``per_image``.

    Args:
        evaluator: The counts of a whole split.
        names: The class names.
        ids: The ids of the samples, by index.
        bootstrap: How units are drawn for the intervals.
        units: What is drawn, of all samples of the split.
    """
    counts = np.stack(evaluator.counts_per_image)
    own = score_counts(counts)
    bins = units.sum_units(evaluator.indices, np.stack(evaluator.calibration_bins))
    return {
        "intervals": _intervals(units.sum_units(evaluator.indices, counts), names, bootstrap),
        "boundary": _boundary_summary(evaluator, names, bootstrap, units),
        "calibration": _calibration_summary(bins, bootstrap),
        "per_image": [
            {
                "index": index,
                "id": ids[index],
                "miou": float(own["miou"][place]),
                "pixel_accuracy": float(own["pixel_accuracy"][place]),
            }
            for place, index in enumerate(evaluator.indices)
        ],
    }


def paired_difference(
    evaluator: Evaluator,
    baseline: Evaluator,
    names: Sequence[str],
    bootstrap: Bootstrap,
    units: SamplingUnits,
) -> dict[str, Any]:
    """Return how much better the first is than the baseline, on the same images.

    Both are scored on each draw of units, and the difference is taken draw by draw. What is hard
    for both cancels, so the interval is narrower than those of the two scores.
    """
    order = {index: place for place, index in enumerate(baseline.indices)}
    same = [baseline.counts_per_image[order[index]] for index in evaluator.indices]
    per_image = np.stack([np.stack(evaluator.counts_per_image), np.stack(same)], 1)
    both = units.sum_units(evaluator.indices, per_image)
    draws = bootstrap.resample_scores(both, _difference_columns)
    difference = _difference_columns(both.sum(0)[None])[0]
    shares = draws[:, 0][~np.isnan(draws[:, 0])]
    tells = len(shares) > 0 and units.count >= MIN_UNITS
    return {
        "baseline_miou": float(score_counts(np.stack(same).sum(0))["miou"]),
        "difference": float(difference[0]),
        "interval": bootstrap.interval(draws[:, 0], units.count),
        "share_of_draws_above_zero": float((shares > 0).mean()) if tells else float("nan"),
        "iou_difference": by_class_name(difference[1:], names),
        "iou_interval": _intervals_by_class(draws[:, 1:], names, bootstrap, both[:, 0]),
    }


def _intervals(counts: Floats, names: Sequence[str], bootstrap: Bootstrap) -> dict[str, Any]:
    """Return the interval of each headline score, from counts of units (units, 3, classes)."""
    draws = bootstrap.resample_scores(counts, _headline_columns)
    record: dict[str, Any] = {}
    column = 0
    for metric in METRICS:
        if metric.headline and metric.per_class:
            columns = draws[:, column : column + len(names)]
            record[metric.key] = _intervals_by_class(columns, names, bootstrap, counts)
            column += len(names)
        elif metric.headline:
            record[metric.key] = bootstrap.interval(draws[:, column], len(counts))
            column += 1
    return record


def _intervals_by_class(
    draws: Floats, names: Sequence[str], bootstrap: Bootstrap, counts: Floats
) -> dict[str, tuple[float, float]]:
    # Units that do not hold a class say nothing of how well it is found.
    holding = (counts[:, TRUE] > 0).sum(0)
    return {
        name: bootstrap.interval(draws[:, place], int(holding[place]))
        for place, name in enumerate(names)
    }


def _headline_columns(sums: Floats) -> Floats:
    """Return the headline scores side by side, from counts (draws, 3, classes)."""
    values = score_counts(sums)
    columns = [
        values[metric.key] if metric.per_class else values[metric.key][..., None]
        for metric in METRICS
        if metric.headline
    ]
    return np.concatenate(columns, -1)


def _difference_columns(sums: Floats) -> Floats:
    """Return the differences of mIoU and of each IoU, from counts (draws, 2, 3, classes)."""
    first, second = (score_counts(sums[:, side]) for side in (0, 1))
    miou, iou = (first[key] - second[key] for key in ("miou", "iou"))
    return np.concatenate([miou[..., None], iou], -1)


def _boundary_summary(
    evaluator: Evaluator, names: Sequence[str], bootstrap: Bootstrap, units: SamplingUnits
) -> dict[str, Any]:
    f_scores = np.stack(evaluator.boundary_f_scores)
    # Sums and counts of the images in which a class has a contour: their ratio is the mean.
    per_image = np.stack([np.nan_to_num(f_scores), (~np.isnan(f_scores)).astype(np.float64)], 1)
    parts = units.sum_units(evaluator.indices, per_image)
    regions = units.sum_units(evaluator.indices, np.stack(evaluator.boundary_region_counts))
    f_score, iou = _ratio_of_rows(parts.sum(0)), _ratio_of_rows(regions.sum(0))

    def mean_interval(per_unit: Floats) -> tuple[float, float]:
        draws = bootstrap.resample_scores(per_unit, lambda sums: nan_mean(_ratio_of_rows(sums)))
        return bootstrap.interval(draws, units.count)

    return {
        "f_score": float(nan_mean(f_score)),
        "f_score_interval": mean_interval(parts),
        "f_score_tolerance": F_TOLERANCE,
        "iou": float(nan_mean(iou)),
        "iou_interval": mean_interval(regions),
        "iou_tolerance": IOU_TOLERANCE,
        "class_f_score": by_class_name(f_score, names),
        "class_iou": by_class_name(iou, names),
    }


def _calibration_summary(tables: Floats, bootstrap: Bootstrap) -> dict[str, Any]:
    """Return the calibration, from the histograms of units (units, 3, bins)."""
    whole = tables.sum(0)
    draws = bootstrap.resample_scores(tables, expected_calibration_error)
    return {
        "ece": float(expected_calibration_error(whole)),
        "ece_interval": bootstrap.interval(draws, len(tables)),
        "bins": BINS,
        "pixels": [int(count) for count in whole[COUNT]],
        "confidence": _none_if_nan(ratio(whole[CONFIDENCE], whole[COUNT])),
        "accuracy": _none_if_nan(ratio(whole[CORRECT], whole[COUNT])),
    }


def _ratio_of_rows(sums: Floats) -> Floats:
    return ratio(sums[..., 0, :], sums[..., 1, :])


def _none_if_nan(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
