"""A loss: a module of logits (B, classes, H, W) and labels int64 (B, H, W)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class PolyLoss(nn.Module):
    """Poly-1 cross entropy (Leng et al., "PolyLoss", ICLR 2022).

    Args:
        epsilon: The weight of the first polynomial term, 1 - p.
        ignore_index: The label of pixels that are not trained on, which the data set knows.
    """

    def __init__(self, epsilon: float = 1.0, ignore_index: int = 255) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.ignore_index = ignore_index

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean over the labelled pixels."""
        losses = F.cross_entropy(logits, target, ignore_index=self.ignore_index, reduction="none")
        losses = losses + self.epsilon * (1 - torch.exp(-losses))
        labelled = target != self.ignore_index
        return (losses * labelled).sum() / labelled.sum().clamp(min=1)
