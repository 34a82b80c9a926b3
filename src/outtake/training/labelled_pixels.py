"""A metric of torchmetrics that knows nothing of pixels without a label, made safe for them."""

from __future__ import annotations

import torch
from torchmetrics import Metric
from torchmetrics.wrappers.abstract import WrapperMetric

from outtake.training import collectives


class LabelledPixels(WrapperMetric):
    """A metric that is given the labelled pixels alone, image by image.

    What it computes must not depend on where pixels lie: it sees a row of them.

    Args:
        metric: Predicted and true class ids, int64 (B, H, W), to a score.
        ignore_index: The label of pixels that do not count.
    """

    def __init__(self, metric: Metric, ignore_index: int) -> None:
        super().__init__()
        self.metric = metric
        self.ignore_index = ignore_index

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Count a batch of class ids, int64 (B, H, W) each."""
        for predicted, true in zip(preds, target, strict=True):
            labelled = true != self.ignore_index
            if labelled.any():
                self.metric.update(predicted[labelled][None, None], true[labelled][None, None])

    def compute(self) -> torch.Tensor:
        """Return the score; NaN where nothing was labelled."""
        # Among several processes each must take part, also one whose images have no label.
        if not self.metric.update_called and collectives.world_size() == 1:
            return torch.tensor(float("nan"))
        return torch.as_tensor(self.metric.compute())

    def reset(self) -> None:
        """Begin anew."""
        super().reset()
        self.metric.reset()
