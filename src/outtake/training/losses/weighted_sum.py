"""A weighted sum of losses, each of which is logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number
from outtake.training.losses.library_loss import adapt_loss
from outtake.training.piecewise_loss import measure_by_pieces


class WeightedSum(nn.Module):
    """The sum of several losses, each times its weight.

    Args:
        losses: The losses by name.
        weights: The weights by the same names, 0 or more; 1 for a loss that is not named.
        ignore_index: The label of pixels that are not trained on.

    Attributes:
        parts: The losses of the last call by name, detached and without weights.

    Raises:
        ConfigError: There is no loss, or a weight is negative or belongs to no loss.
    """

    def __init__(
        self,
        losses: Mapping[str, nn.Module],
        weights: Mapping[str, float] | None = None,
        *,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        weights = weights or {}
        for name, weight in weights.items():
            if name not in losses:
                raise ConfigError(
                    f"loss.weights.{name}: no such loss; there are {', '.join(losses) or 'none'}"
                )
            check_number(f"loss.weights.{name}", weight, 0)
        if not losses:
            raise ConfigError("loss.losses: name at least one loss")
        self.ignore_index = ignore_index
        self.losses = nn.ModuleDict(
            {name: adapt_loss(loss, ignore_index) for name, loss in losses.items()}
        )
        self.weights = {name: float(weights.get(name, 1.0)) for name in losses}
        self.parts: dict[str, torch.Tensor] = {}

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of logits (B, classes, H, W) and labels int64 (B, H, W)."""
        values: dict[str, torch.Tensor] = {
            name: loss(logits, target) for name, loss in self.losses.items()
        }
        return self._add_up(values)

    def measure_piece(self, logits: torch.Tensor, target: torch.Tensor) -> dict[str, Any]:
        """Return what each loss measures of a piece, by name."""
        return {
            name: measure_by_pieces(loss, self.ignore_index).measure_piece(logits, target)
            for name, loss in self.losses.items()
        }

    def combine_pieces(self, measured: Sequence[dict[str, Any]], images: int) -> torch.Tensor:
        """Return the scalar loss of a batch."""
        return self._add_up(
            {
                name: measure_by_pieces(loss, self.ignore_index).combine_pieces(
                    [piece[name] for piece in measured], images
                )
                for name, loss in self.losses.items()
            }
        )

    def _add_up(self, values: dict[str, torch.Tensor]) -> torch.Tensor:
        self.parts = {name: value.detach() for name, value in values.items()}
        weighted = [self.weights[name] * value for name, value in values.items()]
        return sum(weighted[1:], weighted[0])
