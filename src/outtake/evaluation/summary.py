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
from outtake.evaluation.evaluator import Scoring
from outtake.evaluation.per_image_confusion import Floats, mean_of_defined, scores_of


def detail_of(
    scoring: Scoring, names: Sequence[str], ids: Sequence[str], bootstrap: Bootstrap
) -> dict[str, Any]:
    """Return ``intervals``, ``boundary``, ``calibration`` and ``per_image``.

    Args:
        scoring: of a whole split.
        names: of the classes.
        ids: of the samples, by index.
        bootstrap: how to draw images for the intervals.
    """
    counted = np.stack(scoring.margins).astype(np.float64)
    draws = bootstrap.values(counted, lambda sums: _columns(sums, len(names)))
    scalar = ("miou", "pixel_accuracy", "mean_accuracy", "fwiou", "mean_dice")
    intervals: dict[str, Any] = {
        key: bootstrap.interval(draws[:, place]) for place, key in enumerate(scalar)
    }
    classwise = draws[:, len(scalar) :]
    intervals["iou"] = {
        name: bootstrap.interval(classwise[:, place]) for place, name in enumerate(names)
    }
    own = scores_of(np.stack(scoring.margins))
    return {
        "bootstrap": {
            "unit": "image",
            "resamples": bootstrap.resamples,
            "level": bootstrap.level,
            "seed": bootstrap.seed,
        },
        "intervals": intervals,
        "boundary": _boundary(scoring, names, bootstrap),
        "calibration": _calibration(np.stack(scoring.calibration), bootstrap),
        "per_image": [
            {
                "index": index,
                "id": ids[index],
                "miou": float(own.miou[place]),
                "pixel_accuracy": float(own.pixel_accuracy[place]),
            }
            for place, index in enumerate(scoring.indices)
        ],
    }


def paired_difference(
    scoring: Scoring, baseline: Scoring, names: Sequence[str], bootstrap: Bootstrap
) -> dict[str, Any]:
    """Return how much better the first is than the baseline, on the same images.

    Both are scored on each draw of images, and the difference is taken draw by draw: what is
    hard for both cancels, so the interval is narrower than those of the two scores.
    """
    order = {index: place for place, index in enumerate(baseline.indices)}
    same = [baseline.margins[order[index]] for index in scoring.indices]
    both = np.stack([np.stack(scoring.margins), np.stack(same)], 1).astype(np.float64)
    count = len(names)
    draws = bootstrap.values(both, lambda sums: _differences(sums, count))
    difference = _differences(both.sum(0)[None], count)[0]
    shares = draws[:, 0][~np.isnan(draws[:, 0])]
    return {
        "baseline_miou": float(scores_of(np.stack(same).sum(0)).miou),
        "difference": float(difference[0]),
        "interval": bootstrap.interval(draws[:, 0]),
        "share_of_draws_above_zero": float((shares > 0).mean()) if len(shares) else float("nan"),
        "iou_difference": _named(difference[1:], names),
        "iou_interval": {
            name: bootstrap.interval(draws[:, 1 + place]) for place, name in enumerate(names)
        },
    }


def _columns(sums: Floats, classes: int) -> Floats:
    scored = scores_of(sums)
    scalars = (
        scored.miou, scored.pixel_accuracy, scored.mean_accuracy, scored.fwiou, scored.mean_dice,
    )  # fmt: skip
    return np.concatenate([np.stack(scalars, -1), scored.iou[..., :classes]], -1)


def _differences(sums: Floats, classes: int) -> Floats:
    first, second = (_columns(sums[:, side], classes) for side in (0, 1))
    return np.concatenate([first[:, :1] - second[:, :1], first[:, 5:] - second[:, 5:]], 1)


def _boundary(scoring: Scoring, names: Sequence[str], bootstrap: Bootstrap) -> dict[str, Any]:
    f_scores = np.stack(scoring.f_scores)
    # Sums and counts of the images in which a class has a contour: their ratio is the mean.
    parts = np.stack([np.nan_to_num(f_scores), (~np.isnan(f_scores)).astype(np.float64)], 1)
    regions = np.stack(scoring.regions).astype(np.float64)
    f_score, iou = _ratio(parts.sum(0)), _ratio(regions.sum(0))
    return {
        "f_score": float(mean_of_defined(f_score)),
        "f_score_interval": bootstrap.interval(
            bootstrap.values(parts, lambda sums: mean_of_defined(_ratio(sums)))
        ),
        "f_score_tolerance": F_TOLERANCE,
        "iou": float(mean_of_defined(iou)),
        "iou_interval": bootstrap.interval(
            bootstrap.values(regions, lambda sums: mean_of_defined(_ratio(sums)))
        ),
        "iou_tolerance": IOU_TOLERANCE,
        "class_f_score": _named(f_score, names),
        "class_iou": _named(iou, names),
    }


def _calibration(tables: NDArray[np.float64], bootstrap: Bootstrap) -> dict[str, Any]:
    whole = tables.sum(0)
    pixels = np.maximum(whole[COUNT], 1)
    return {
        "ece": float(expected_calibration_error(whole)),
        "ece_interval": bootstrap.interval(bootstrap.values(tables, expected_calibration_error)),
        "bins": BINS,
        "pixels": [int(count) for count in whole[COUNT]],
        "confidence": _where(whole[CONFIDENCE] / pixels, whole[COUNT] > 0),
        "accuracy": _where(whole[CORRECT] / pixels, whole[COUNT] > 0),
    }


def _ratio(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[..., 1, :] > 0, sums[..., 0, :] / sums[..., 1, :], np.nan)


def _where(values: Floats, there: NDArray[np.bool_]) -> list[float | None]:
    return [float(v) if known else None for v, known in zip(values, there, strict=True)]


def _named(values: Floats, names: Sequence[str]) -> Mapping[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}
