"""Segmentation scores, all from one confusion matrix over a whole split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.classification import MulticlassConfusionMatrix

from outtake.evaluation.per_image_confusion import per_image_confusion

Confusion = NDArray[np.int64]


class ConfusionMatrix(MulticlassConfusionMatrix):
    """Counts of pixels, int64 (classes, classes): rows are the truth, columns the prediction.

    Updates take label maps of one shape; pixels of ``ignore_index`` are not counted.
    """

    def __init__(self, classes: int, ignore_index: int) -> None:
        super().__init__(classes, ignore_index=ignore_index, validate_args=False)

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Count two int64 label maps of one shape.

        torchmetrics would compare every pixel with every cell where deterministic algorithms are
        asked for, which takes classes^2 times the memory; counts have one order only.
        """
        one, other = preds.reshape(1, 1, -1), target.reshape(1, 1, -1)
        assert self.ignore_index is not None
        self.confmat += per_image_confusion(one, other, self.num_classes, self.ignore_index)[0]

    def counts(self) -> Confusion:
        """Return the matrix so far, summed over all processes."""
        matrix: Confusion = self.compute().cpu().numpy().astype(np.int64)
        return matrix


def scores(confusion: Confusion, names: Sequence[str]) -> dict[str, Any]:
    """Compute every score of a confusion matrix.

    A class that is neither in the truth nor predicted has no IoU: it is left out of the mean,
    and ``classes_scored`` says how many were left in. Undefined ratios are NaN.

    Args:
        confusion: int64 (classes, classes), rows truth, columns prediction.
        names: class names in the order of the rows.

    Returns:
        ``miou``, ``pixel_accuracy``, ``mean_accuracy``, ``fwiou`` (frequency-weighted IoU),
        ``mean_dice``, ``classes_scored``, ``pixels``, and under ``iou``, ``precision``,
        ``recall`` and ``dice`` one value for each class name.
    """
    hits = [int(value) for value in np.diag(confusion)]
    truth = [int(value) for value in confusion.sum(1)]
    predicted = [int(value) for value in confusion.sum(0)]
    total = sum(truth)
    union = [t + p - h for h, t, p in zip(hits, truth, predicted, strict=True)]
    iou = _ratios(hits, union)
    recall = _ratios(hits, truth)
    dice = _ratios([2 * h for h in hits], [t + p for t, p in zip(truth, predicted, strict=True)])
    return {
        "miou": _mean(iou),
        "pixel_accuracy": sum(hits) / total if total else math.nan,
        "mean_accuracy": _mean(recall),
        "fwiou": sum(t * i for t, i in zip(truth, iou, strict=True) if t) / total
        if total
        else math.nan,
        "mean_dice": _mean(dice),
        "classes_scored": sum(u > 0 for u in union),
        "pixels": total,
        "iou": dict(zip(names, iou, strict=True)),
        "precision": dict(zip(names, _ratios(hits, predicted), strict=True)),
        "recall": dict(zip(names, recall, strict=True)),
        "dice": dict(zip(names, dice, strict=True)),
    }


def to_log_dict(scores_by_key: dict[str, Any], split: str) -> dict[str, float]:
    """Return what a logger takes: ``split/name`` keys, and ``split/iou/class``; no NaN."""
    record = {
        f"{split}/{key}": float(scores_by_key[key])
        for key in ("miou", "pixel_accuracy", "mean_accuracy", "fwiou")
    }
    record |= {f"{split}/iou/{name}": value for name, value in scores_by_key["iou"].items()}
    return {key: value for key, value in record.items() if not math.isnan(value)}


def labels_from_logits(logits: torch.Tensor) -> torch.Tensor:
    """Return the best class of logits (B, classes, H, W) as int64 (B, H, W)."""
    return logits.argmax(1)


def _ratios(above: Sequence[int], below: Sequence[int]) -> list[float]:
    return [a / b if b else math.nan for a, b in zip(above, below, strict=True)]


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan
