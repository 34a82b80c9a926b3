"""A loss that is the sum of two, each of which is logged."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from segmentation_models_pytorch.losses import DiceLoss
from torch import nn

from outtake.errors import ConfigError
from outtake.training.losses import CrossEntropy


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
        self.dice = DiceLoss("multiclass", ignore_index=ignore_index)
        self.parts: dict[str, torch.Tensor] = {}

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of logits (B, classes, H, W) and labels int64 (B, H, W)."""
        cross_entropy: torch.Tensor = self.cross_entropy(logits, target)
        dice: torch.Tensor = self.dice(logits.float(), target)
        self.parts = {"cross_entropy": cross_entropy.detach(), "dice": dice.detach()}
        return cross_entropy + self.dice_weight * dice
