"""Confusion matrices: of a whole split in training, and of each image in an evaluation."""

from __future__ import annotations

import numpy as np
import torch
from torchmetrics.classification import MulticlassConfusionMatrix

from outtake.evaluation.metrics import Counts

_PIXELS_AT_ONCE = 2**22  # each takes some 40 bytes while it is counted


class ConfusionMatrix(MulticlassConfusionMatrix):
    """Counts of pixels, int64 (classes, classes): rows are the truth, columns the prediction.

    Updates take label maps of one shape; pixels of ``ignore_index`` are not counted.
    """

    def __init__(self, classes: int, ignore_index: int) -> None:
        super().__init__(classes, ignore_index=ignore_index, validate_args=False)

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Count two label maps (B, H, W), uint8 or int64.

        Where deterministic algorithms are asked for, torchmetrics would compare every pixel with
        every cell, which takes classes^2 times the memory. Counts have one order only.
        """
        assert self.ignore_index is not None
        shape = (1, -1, preds.shape[-1])
        one, other = preds.reshape(shape), target.reshape(shape)
        self.confmat += per_image_confusion(one, other, self.num_classes, self.ignore_index)[0]

    def counts(self) -> Counts:
        """Return the matrix so far, summed over all processes."""
        matrix: Counts = self.compute().cpu().numpy().astype(np.int64)
        return matrix


def per_image_confusion(
    predicted: torch.Tensor, truth: torch.Tensor, classes: int, ignore_index: int
) -> torch.Tensor:
    """Count each image of a batch by itself.

    Args:
        predicted: Class ids, uint8 or int64 (B, H, W).
        truth: Class ids or ``ignore_index``, uint8 or int64 (B, H, W), on the same device.
        classes: The number of classes.
        ignore_index: The label of pixels that are not counted.

    Returns:
        int64 (B, classes, classes), rows truth, columns prediction.
    """
    images, height, width = truth.shape
    step = max(_PIXELS_AT_ONCE // max(images * width, 1), 1)
    if height > step:
        total = torch.zeros(images, classes, classes, dtype=torch.int64, device=truth.device)
        for start in range(0, height, step):
            some, known = (each[:, start : start + step] for each in (predicted, truth))
            total += per_image_confusion(some, known, classes, ignore_index)
        return total
    predicted, truth = predicted.long(), truth.long()
    first = torch.arange(images, device=truth.device)[:, None, None] * classes
    cells = ((first + truth) * classes + predicted).flatten()
    # One extra cell takes the pixels that are not counted: cheaper than selecting the others.
    rest = images * classes * classes
    cells = torch.where(truth.flatten() == ignore_index, rest, cells)
    return torch.bincount(cells, minlength=rest + 1)[:rest].view(images, classes, classes)
