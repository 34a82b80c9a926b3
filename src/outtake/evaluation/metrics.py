"""What is scored: one table of metrics, each a function of pixel counts.

A new score is one entry of :data:`METRICS`. It then appears in ``metrics.jsonl`` and on the
dashboards, in ``metrics.json``, the report, the model card and the comparison page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

TRUE = 1  # the row of the true pixels in what tp_true_pred_counts returns


@dataclass(frozen=True)
class PixelCounts:
    """What every score is computed from; each array is (..., classes).

    Attributes:
        true_positives: Pixels that are of a class and were predicted as it.
        true: Pixels that are of a class.
        predicted: Pixels that were predicted as a class.
    """

    true_positives: Floats | Counts
    true: Floats | Counts
    predicted: Floats | Counts

    @property
    def union(self) -> Floats | Counts:
        """The pixels that are of a class or were predicted as it."""
        return self.true + self.predicted - self.true_positives


@dataclass(frozen=True)
class Metric:
    """One score of a segmentation.

    Attributes:
        key: The name in records: ``val/KEY`` while training, ``KEY`` in ``metrics.json``.
        title: The name for readers.
        compute: Maps counts to (...,), or with ``per_class`` to (..., classes); NaN where the
            score is not defined.
        per_class: Whether there is one value for each class.
        headline: Whether each validation logs the score and an evaluation gives its confidence
            interval. The others are in tables only.
    """

    key: str
    title: str
    compute: Callable[[PixelCounts], Floats]
    per_class: bool = False
    headline: bool = True


def tp_true_pred_counts(confusion: Counts) -> Counts:
    """Return true positives, true pixels and predicted pixels of confusion matrices.

    Every score follows from these three, so that resampling need not keep whole matrices.

    Args:
        confusion: int64 (..., classes, classes).

    Returns:
        int64 (..., 3, classes).
    """
    diagonal = np.diagonal(confusion, axis1=-2, axis2=-1)
    return np.stack([diagonal, confusion.sum(-1), confusion.sum(-2)], axis=-2)


def ratio(above: Floats | Counts, below: Floats | Counts) -> Floats:
    """Return a quotient, NaN where the divisor is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(below) > 0, np.asarray(above) / below, np.nan)


def nan_mean(values: Floats) -> Floats:
    """Return the mean over the last axis without NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    return ratio(_sum(np.where(defined, values, 0)), defined.sum(-1))


def _sum(values: Floats) -> Floats:
    # From left to right: the sums of NumPy depend on the shape in their last bit.
    return np.asarray(np.cumsum(values, -1)[..., -1])


def _iou(counts: PixelCounts) -> Floats:
    return ratio(counts.true_positives, counts.union)


def _recall(counts: PixelCounts) -> Floats:
    return ratio(counts.true_positives, counts.true)


def _precision(counts: PixelCounts) -> Floats:
    return ratio(counts.true_positives, counts.predicted)


def _dice(counts: PixelCounts) -> Floats:
    return ratio(2 * counts.true_positives, counts.true + counts.predicted)


def _frequency_weighted_iou(counts: PixelCounts) -> Floats:
    weighted = np.where(counts.true > 0, counts.true * np.nan_to_num(_iou(counts)), 0)
    return ratio(_sum(weighted), counts.true.sum(-1))


# A class that is neither in the truth nor predicted has no IoU and is left out of the means.
METRICS: list[Metric] = [
    Metric("miou", "mIoU", lambda counts: nan_mean(_iou(counts))),
    Metric(
        "pixel_accuracy",
        "pixel accuracy",
        lambda counts: ratio(counts.true_positives.sum(-1), counts.true.sum(-1)),
    ),
    Metric("mean_accuracy", "mean accuracy", lambda counts: nan_mean(_recall(counts))),
    Metric("fwiou", "fwIoU", _frequency_weighted_iou),
    Metric("mean_dice", "mean Dice", lambda counts: nan_mean(_dice(counts))),
    Metric("iou", "IoU", _iou, per_class=True),
    Metric("precision", "precision", _precision, per_class=True, headline=False),
    Metric("recall", "recall", _recall, per_class=True, headline=False),
    Metric("dice", "Dice", _dice, per_class=True, headline=False),
]


def split_metrics() -> list[Metric]:
    """Return the metrics with one value for a split."""
    return [metric for metric in METRICS if not metric.per_class]


def class_metrics() -> list[Metric]:
    """Return the metrics with one value for each class."""
    return [metric for metric in METRICS if metric.per_class]


def score_counts(counts: Floats | Counts) -> dict[str, Floats]:
    """Compute every score of many sets of counts at once.

    Args:
        counts: (..., 3, classes), as :func:`tp_true_pred_counts` gives them.

    Returns:
        By the key of a metric: (...,), or (..., classes) for a metric per class.
    """
    pixels = PixelCounts(*(counts[..., row, :] for row in range(3)))
    return {metric.key: metric.compute(pixels) for metric in METRICS}


def scores(confusion: Counts, names: Sequence[str]) -> dict[str, Any]:
    """Compute every score of a confusion matrix, NaN where one is not defined.

    Args:
        confusion: int64 (classes, classes), rows truth, columns prediction.
        names: The class names in the order of the rows.

    Returns:
        The scores by their keys: numbers, and for metrics per class numbers by class name. Also
        ``classes_scored``, the classes that are in the truth or were predicted, and ``pixels``.
    """
    counts = tp_true_pred_counts(confusion)
    values = score_counts(counts)
    record: dict[str, Any] = {m.key: float(values[m.key]) for m in split_metrics()}
    record["classes_scored"] = int((~np.isnan(values["iou"])).sum())
    record["pixels"] = int(confusion.sum())
    record |= {m.key: by_class_name(values[m.key], names) for m in class_metrics()}
    return record


def by_class_name(values: Floats, names: Sequence[str]) -> dict[str, float]:
    """Return values (classes,) by the names of the classes."""
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def to_log_dict(scores_by_key: dict[str, Any], split: str) -> dict[str, float]:
    """Return what loggers take: ``split/key`` and ``split/key/class``, without NaN."""
    record: dict[str, float] = {}
    for metric in METRICS:
        if not metric.headline:
            continue
        value, name = scores_by_key[metric.key], f"{split}/{metric.key}"
        if metric.per_class:
            record |= {f"{name}/{each}": float(score) for each, score in value.items()}
        else:
            record[name] = float(value)
    return {key: value for key, value in record.items() if value == value}
