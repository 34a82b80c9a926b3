"""One confusion matrix for each image, and what resampling images needs to keep of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

TRUE_POSITIVES, TRUE_PIXELS, PREDICTED_PIXELS = range(3)


def per_image_confusion(
    predicted: torch.Tensor, truth: torch.Tensor, classes: int, ignore_index: int
) -> torch.Tensor:
    """Count each image of a batch by itself.

    Args:
        predicted: class ids, int64 (B, H, W).
        truth: class ids or ``ignore_index``, int64 (B, H, W), on the same device.
        classes: how many there are.
        ignore_index: pixels of it are not counted.

    Returns:
        int64 (B, classes, classes), rows truth, columns prediction.
    """
    images = len(truth)
    first = torch.arange(images, device=truth.device)[:, None, None] * classes
    cells = ((first + truth) * classes + predicted).flatten()
    # One cell more takes what is not counted: cheaper than to pick the others out.
    rest = images * classes * classes
    cells = torch.where(truth.flatten() == ignore_index, rest, cells)
    return torch.bincount(cells, minlength=rest + 1)[:rest].view(images, classes, classes)


def tp_true_pred_counts(confusion: Counts) -> Counts:
    """Return hits, pixels in truth and pixels predicted of confusion matrices.

    Every score of :func:`outtake.evaluation.metrics.scores` follows from these three, so that
    resampling need not keep the whole matrices.

    Args:
        confusion: int64 (..., classes, classes).

    Returns:
        int64 (..., 3, classes).
    """
    diagonal = np.diagonal(confusion, axis1=-2, axis2=-1)
    return np.stack([diagonal, confusion.sum(-1), confusion.sum(-2)], axis=-2)


@dataclass(frozen=True)
class Scores:
    """The scores of many sets of margins at once; NaN where one is not defined.

    Attributes:
        miou: (...,), mean over classes that are in the truth or predicted.
        pixel_accuracy: (...,).
        mean_accuracy: (...,), mean recall.
        fwiou: (...,), IoU weighted by frequency.
        mean_dice: (...,).
        iou: (..., classes).
    """

    miou: Floats
    pixel_accuracy: Floats
    mean_accuracy: Floats
    fwiou: Floats
    mean_dice: Floats
    iou: Floats


def scores_from_counts(counts: Floats | Counts) -> Scores:
    """Compute scores from margins (..., 3, classes), as ``scores`` does from a matrix."""
    hits, truth, predicted = (
        counts[..., row, :] for row in (TRUE_POSITIVES, TRUE_PIXELS, PREDICTED_PIXELS)
    )
    iou = _ratio_or_nan(hits, truth + predicted - hits)
    total = truth.sum(-1)
    weighted = np.where(truth > 0, truth * np.nan_to_num(iou), 0).sum(-1)
    return Scores(
        miou=nan_mean(iou),
        pixel_accuracy=_ratio_or_nan(hits.sum(-1), total),
        mean_accuracy=nan_mean(_ratio_or_nan(hits, truth)),
        fwiou=_ratio_or_nan(weighted, total),
        mean_dice=nan_mean(_ratio_or_nan(2 * hits, truth + predicted)),
        iou=iou,
    )


def nan_mean(values: Floats) -> Floats:
    """Return the mean over the last axis without NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    return _ratio_or_nan(np.where(defined, values, 0).sum(-1), defined.sum(-1))


def _ratio_or_nan(above: Floats | Counts, below: Floats | Counts) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(below) > 0, np.asarray(above) / below, np.nan)
