"""A metric: any torchmetrics class of predicted and true class ids."""

from __future__ import annotations

import torch
from torchmetrics import Metric


class AreaError(Metric):
    """How far the predicted area of a class is off, as a share of its true area.

    Args:
        class_id: The class.
        ignore_index: The label of pixels that do not count, which the data set knows.
    """

    def __init__(self, class_id: int, ignore_index: int = 255) -> None:
        super().__init__()
        self.class_id = class_id
        self.ignore_index = ignore_index
        self.add_state("predicted", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("true", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Count a batch of class ids, int64 (B, H, W) each."""
        labelled = target != self.ignore_index
        self.predicted += ((preds == self.class_id) & labelled).sum()
        self.true += (target == self.class_id).sum()

    def compute(self) -> torch.Tensor:
        """Return |predicted - true| / true."""
        return (self.predicted - self.true).abs() / self.true.clamp(min=1)
