"""Cross entropy plus soft Dice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from outtake.core.validate import check_number
from outtake.training.collectives import all_reduce_sum_with_gradient
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.losses.weighted_sum import WeightedSum

_EPS = 1e-7


class Dice(nn.Module):
    """Soft Dice over the whole batch: every class counts the same, however few its pixels.

    It is the mean of 1 - Dice over all classes, where a class that is not in the batch's labels
    counts as 0: the formula of segmentation-models-pytorch, in half the time. With several ranks,
    in training, sums and value are those of the global batch: a class may be in the labels of one
    rank only.

    Args:
        ignore_index: The label of pixels that are not trained on.
    """

    def __init__(self, *, ignore_index: int = 255) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of logits (B, classes, H, W) and labels int64 (B, H, W)."""
        measured = self.measure_piece(logits, target)
        if self.training:
            measured = all_reduce_sum_with_gradient(measured)
        return self.combine_pieces([measured], len(target))

    def measure_piece(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return hits, predicted and true pixels of each class, float64 (3, classes)."""
        shares = logits.float().softmax(1)
        valid = (target != self.ignore_index)[:, None]
        classes = torch.arange(shares.shape[1], device=target.device)
        of_class = (target[:, None] == classes[:, None, None]) & valid
        parts = (torch.where(of_class, shares, 0.0), shares * valid, of_class)
        return torch.stack([part.sum((0, 2, 3)).double() for part in parts])

    def combine_pieces(self, measured: Sequence[torch.Tensor], images: int) -> torch.Tensor:
        """Return the scalar loss of a batch."""
        hits, predicted, truth = torch.stack(list(measured)).sum(0)
        dice = 2 * hits / (predicted + truth).clamp_min(_EPS)
        loss: torch.Tensor = (1 - dice).masked_fill(truth == 0, 0.0).mean()
        return loss.float()


class CrossEntropyDice(WeightedSum):
    """The sum of cross entropy and weighted soft Dice.

    Args:
        ignore_index: The label of pixels that are not trained on.
        dice_weight: The weight of Dice, 0 or more; cross entropy has 1.
        class_weights: The weighting of the classes in cross entropy, as in :class:`CrossEntropy`.
        class_factors: What it is multiplied by for single classes, by name.
        frequencies: The share of each class in the training pixels, (classes,).
        class_names: The names of the classes.
        label_smoothing: The smoothing of cross entropy, in 0 to 1.

    Raises:
        ConfigError: A weighting or a class that does not exist, a factor that is not above 0, or a
            negative ``dice_weight``.
    """

    def __init__(
        self,
        *,
        ignore_index: int = 255,
        dice_weight: float = 1.0,
        class_weights: str | None = None,
        class_factors: Mapping[str, float] | None = None,
        frequencies: NDArray[np.float64] | None = None,
        class_names: Sequence[str] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        check_number("loss.dice_weight", dice_weight, 0)
        cross_entropy = CrossEntropy(
            ignore_index=ignore_index,
            class_weights=class_weights,
            class_factors=class_factors,
            frequencies=frequencies,
            class_names=class_names,
            label_smoothing=label_smoothing,
        )
        dice = Dice(ignore_index=ignore_index)
        losses: dict[str, nn.Module] = {"cross_entropy": cross_entropy, "dice": dice}
        super().__init__(losses, {"dice": dice_weight}, ignore_index=ignore_index)
