"""A loss that is the sum of two, each of which is logged."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from segmentation_models_pytorch.losses import DiceLoss
from torch import nn

from outtake.core.errors import ConfigError
from outtake.training.collectives import all_reduce_sum_with_gradient, world_size
from outtake.training.losses.cross_entropy import CrossEntropy


class BatchDice(DiceLoss):  # type: ignore[misc]
    """Soft Dice of smp for several classes; with several ranks, in training, of the global batch.

    The sums behind it are those of all ranks, and so is its value: a class may be in one rank's
    labels only.
    """

    def compute_score(
        self,
        output: torch.Tensor,
        target: torch.Tensor,
        smooth: float = 0.0,
        eps: float = 1e-7,
        dims: tuple[int, ...] | None = None,
    ) -> torch.Tensor:
        """Return Dice of each class, (classes,)."""
        if not self.training or world_size() == 1:
            score: torch.Tensor = super().compute_score(output, target, smooth, eps, dims)
            return score
        parts = torch.stack([(output * target).sum(dims), output.sum(dims), target.sum(dims)])
        hits, predicted, truth = all_reduce_sum_with_gradient(parts)
        dice: torch.Tensor = (2 * hits + smooth) / (predicted + truth + smooth).clamp_min(eps)
        self._absent = truth.detach() == 0
        self._dice = dice
        return dice

    def aggregate_loss(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the mean over the classes, (classes,) to a scalar."""
        if self.training and world_size() > 1:
            # smp has left out those that this rank has no label of.
            loss = (1 - self._dice).masked_fill(self._absent, 0.0)
            del self._dice, self._absent
        mean: torch.Tensor = super().aggregate_loss(loss)
        return mean


class CrossEntropyDice(nn.Module):
    """Cross entropy plus soft Dice: the second counts every class the same, however few its pixels.

    Dice is that of segmentation-models-pytorch, over the whole batch: the mean of 1 - Dice over all
    classes, where one that is not in the batch's labels counts as 0.

    Args:
        ignore_index: label of pixels that are not trained on.
        dice_weight: of Dice; cross entropy has 1.
        class_weights: as for :class:`CrossEntropy`.
        frequencies: share of each class in the training pixels, (classes,).
        label_smoothing: of cross entropy, in 0 to 1.

    Attributes:
        parts: ``cross_entropy`` and ``dice`` of the last call, detached and without weights.

    Raises:
        ConfigError: a weighting that does not exist, or a negative ``dice_weight``.
    """

    def __init__(
        self,
        *,
        ignore_index: int = 255,
        dice_weight: float = 1.0,
        class_weights: str | None = None,
        frequencies: NDArray[np.float64] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if dice_weight < 0:
            raise ConfigError(f"loss.dice_weight={dice_weight}: give 0 or more")
        self.dice_weight = dice_weight
        self.cross_entropy = CrossEntropy(
            ignore_index=ignore_index,
            class_weights=class_weights,
            frequencies=frequencies,
            label_smoothing=label_smoothing,
        )
        self.dice = BatchDice("multiclass", ignore_index=ignore_index)
        self.parts: dict[str, torch.Tensor] = {}

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of logits (B, classes, H, W) and labels int64 (B, H, W)."""
        cross_entropy: torch.Tensor = self.cross_entropy(logits, target)
        dice: torch.Tensor = self.dice(logits.float(), target)
        self.parts = {"cross_entropy": cross_entropy.detach(), "dice": dice.detach()}
        return cross_entropy + self.dice_weight * dice
