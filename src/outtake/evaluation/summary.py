"""From what was counted to what ``metrics.json`` says beyond the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.evaluation.bootstrap import Bootstrap
from outtake.evaluation.boundary import F_TOLERANCE, IOU_TOLERANCE
from outtake.evaluation.calibration_error import (
    BINS,
    CONFIDENCE,
    CORRECT,
    COUNT,
    expected_calibration_error,
)
from outtake.evaluation.evaluator import Evaluator
from outtake.evaluation.per_image_confusion import Floats, nan_mean, scores_from_counts


def detailed_scores(
    evaluator: Evaluator, names: Sequence[str], ids: Sequence[str], bootstrap: Bootstrap
) -> dict[str, Any]:
    """Return ``intervals``, ``boundary``, ``calibration_bins`` and ``per_image``.

    Args:
        evaluator: of a whole split.
        names: of the classes.
        ids: of the samples, by index.
        bootstrap: how to draw images for the intervals.
    """
    counted = np.stack(evaluator.counts_per_image).astype(np.float64)
    draws = bootstrap.resample_scores(counted, lambda sums: _score_columns(sums, len(names)))
    scalar = ("miou", "pixel_accuracy", "mean_accuracy", "fwiou", "mean_dice")
    intervals: dict[str, Any] = {
        key: bootstrap.interval(draws[:, place]) for place, key in enumerate(scalar)
    }
    classwise = draws[:, len(scalar) :]
    intervals["iou"] = {
        name: bootstrap.interval(classwise[:, place]) for place, name in enumerate(names)
    }
    own = scores_from_counts(np.stack(evaluator.counts_per_image))
    return {
        "bootstrap": {
            "unit": "image",
            "resamples": bootstrap.resamples,
            "level": bootstrap.level,
            "seed": bootstrap.seed,
        },
        "intervals": intervals,
        "boundary": _boundary_summary(evaluator, names, bootstrap),
        "calibration": _calibration_summary(np.stack(evaluator.calibration_bins), bootstrap),
        "per_image": [
            {
                "index": index,
                "id": ids[index],
                "miou": float(own.miou[place]),
                "pixel_accuracy": float(own.pixel_accuracy[place]),
            }
            for place, index in enumerate(evaluator.indices)
        ],
    }


def paired_difference(
    evaluator: Evaluator, baseline: Evaluator, names: Sequence[str], bootstrap: Bootstrap
) -> dict[str, Any]:
    """Return how much better the first is than the baseline, on the same images.

    Both are scored on each draw of images, and the difference is taken draw by draw: what is
    hard for both cancels, so the interval is narrower than those of the two scores.
    """
    order = {index: place for place, index in enumerate(baseline.indices)}
    same = [baseline.counts_per_image[order[index]] for index in evaluator.indices]
    both = np.stack([np.stack(evaluator.counts_per_image), np.stack(same)], 1).astype(np.float64)
    count = len(names)
    draws = bootstrap.resample_scores(both, lambda sums: _score_differences(sums, count))
    difference = _score_differences(both.sum(0)[None], count)[0]
    shares = draws[:, 0][~np.isnan(draws[:, 0])]
    return {
        "baseline_miou": float(scores_from_counts(np.stack(same).sum(0)).miou),
        "difference": float(difference[0]),
        "interval": bootstrap.interval(draws[:, 0]),
        "share_of_draws_above_zero": float((shares > 0).mean()) if len(shares) else float("nan"),
        "iou_difference": _by_class_name(difference[1:], names),
        "iou_interval": {
            name: bootstrap.interval(draws[:, 1 + place]) for place, name in enumerate(names)
        },
    }


def _score_columns(sums: Floats, classes: int) -> Floats:
    scored = scores_from_counts(sums)
    scalars = (
        scored.miou, scored.pixel_accuracy, scored.mean_accuracy, scored.fwiou, scored.mean_dice,
    )  # fmt: skip
    return np.concatenate([np.stack(scalars, -1), scored.iou[..., :classes]], -1)


def _score_differences(sums: Floats, classes: int) -> Floats:
    first, second = (_score_columns(sums[:, side], classes) for side in (0, 1))
    return np.concatenate([first[:, :1] - second[:, :1], first[:, 5:] - second[:, 5:]], 1)


def _boundary_summary(
    evaluator: Evaluator, names: Sequence[str], bootstrap: Bootstrap
) -> dict[str, Any]:
    f_scores = np.stack(evaluator.boundary_f_scores)
    # Sums and counts of the images in which a class has a contour: their ratio is the mean.
    parts = np.stack([np.nan_to_num(f_scores), (~np.isnan(f_scores)).astype(np.float64)], 1)
    regions = np.stack(evaluator.boundary_region_counts).astype(np.float64)
    f_score, iou = _ratio_of_sums(parts.sum(0)), _ratio_of_sums(regions.sum(0))
    return {
        "f_score": float(nan_mean(f_score)),
        "f_score_interval": bootstrap.interval(
            bootstrap.resample_scores(parts, lambda sums: nan_mean(_ratio_of_sums(sums)))
        ),
        "f_score_tolerance": F_TOLERANCE,
        "iou": float(nan_mean(iou)),
        "iou_interval": bootstrap.interval(
            bootstrap.resample_scores(regions, lambda sums: nan_mean(_ratio_of_sums(sums)))
        ),
        "iou_tolerance": IOU_TOLERANCE,
        "class_f_score": _by_class_name(f_score, names),
        "class_iou": _by_class_name(iou, names),
    }


def _calibration_summary(tables: NDArray[np.float64], bootstrap: Bootstrap) -> dict[str, Any]:
    whole = tables.sum(0)
    pixels = np.maximum(whole[COUNT], 1)
    return {
        "ece": float(expected_calibration_error(whole)),
        "ece_interval": bootstrap.interval(
            bootstrap.resample_scores(tables, expected_calibration_error)
        ),
        "bins": BINS,
        "pixels": [int(count) for count in whole[COUNT]],
        "confidence": _none_where_empty(whole[CONFIDENCE] / pixels, whole[COUNT] > 0),
        "accuracy": _none_where_empty(whole[CORRECT] / pixels, whole[COUNT] > 0),
    }


def _ratio_of_sums(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[..., 1, :] > 0, sums[..., 0, :] / sums[..., 1, :], np.nan)


def _none_where_empty(values: Floats, there: NDArray[np.bool_]) -> list[float | None]:
    return [float(v) if known else None for v, known in zip(values, there, strict=True)]


def _by_class_name(values: Floats, names: Sequence[str]) -> Mapping[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}
