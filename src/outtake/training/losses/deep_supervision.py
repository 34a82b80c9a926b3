"""A loss of the network's logits and of the heads that it has for training alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number
from outtake.models.training_logits import BOUNDARY, TrainingLogits
from outtake.training.losses.library_loss import adapt_loss
from outtake.training.piecewise_loss import measure_by_pieces


class DeepSupervision(nn.Module):
    """The loss of the logits, plus the weighted losses of the heads of a network in training.

    Auxiliary heads have the loss of the logits (Lee et al., "Deeply-Supervised Nets", 2015). A
    boundary head learns which pixels are near a boundary between classes, by binary cross entropy
    in which both kinds of pixels weigh the same, and the logits have the loss of the pixels that it
    is sure of once more (Xu et al., "PIDNet", 2023, section 3.4). In evaluation, and for
    a network without heads, it is the loss of the logits alone.

    With several ranks, the loss of a boundary head is the mean over a rank's own pixels.

    Args:
        loss: Logits (B, classes, H, W) and labels int64 (B, H, W) to a scalar.
        auxiliary_weight: The weight of each auxiliary head, 0 or more.
        weights: The weights of single heads by name, before ``auxiliary_weight``.
        boundary_weight: The weight of a boundary head, 0 or more.
        boundary_px: How far a pixel of the boundary may lie from another class, in pixels.
        sure_weight: The weight of the loss of pixels that the boundary head is sure of.
        sure_probability: The probability of a boundary from which on it is sure.
        ignore_index: The label of pixels that are not trained on.

    Attributes:
        parts: The losses of the last call by name, detached and without weights.

    Raises:
        ConfigError: A number that is not in its range.
    """

    takes_training_logits = True

    def __init__(
        self,
        loss: nn.Module,
        *,
        auxiliary_weight: float = 0.4,
        weights: Mapping[str, float] | None = None,
        boundary_weight: float = 20.0,
        boundary_px: int = 2,
        sure_weight: float = 1.0,
        sure_probability: float = 0.8,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        check_number("loss.auxiliary_weight", auxiliary_weight, 0)
        check_number("loss.boundary_weight", boundary_weight, 0)
        check_number("loss.boundary_px", boundary_px, 1, whole=True)
        check_number("loss.sure_weight", sure_weight, 0)
        check_number("loss.sure_probability", sure_probability, 0, 1)
        self.weights = dict(weights or {})
        for name, weight in self.weights.items():
            check_number(f"loss.weights.{name}", weight, 0)
        self.loss = adapt_loss(loss, ignore_index)
        self.auxiliary_weight = auxiliary_weight
        self.boundary_weight = boundary_weight
        self.boundary_px = boundary_px
        self.sure_weight = sure_weight
        self.sure_probability = sure_probability
        self.ignore_index = ignore_index
        self.parts: dict[str, torch.Tensor] = {}

    def check_heads(self, heads: Collection[str]) -> None:
        """Raise a ConfigError if a weight belongs to no auxiliary head of the network."""
        named = [head for head in heads if head != BOUNDARY]
        for name in self.weights:
            if name not in named:
                raise ConfigError(
                    f"loss.weights.{name}: the network has no such head; it has "
                    f"{', '.join(named) or 'none'}"
                )

    def forward(self, logits: torch.Tensor | TrainingLogits, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of logits and labels int64 (B, H, W)."""
        if not isinstance(logits, TrainingLogits):
            value: torch.Tensor = self.loss(logits, target)
            self.parts = {}
            return value
        losses: dict[str, torch.Tensor] = {"main": self.loss(logits.main, target)}
        weights = {"main": 1.0}
        for name, auxiliary in logits.auxiliary.items():
            losses[name] = self.loss(auxiliary, target)
            weights[name] = self.weights.get(name, self.auxiliary_weight)
        if logits.boundary is not None:
            losses[BOUNDARY] = self._boundary_loss(logits.boundary, target)
            weights[BOUNDARY] = self.boundary_weight
            losses["sure"] = self.loss(logits.main, self._keep_sure(logits.boundary, target))
            weights["sure"] = self.sure_weight
        self.parts = {name: each.detach() for name, each in losses.items()}
        return torch.stack([weights[name] * each for name, each in losses.items()]).sum()

    def measure_piece(self, logits: torch.Tensor, target: torch.Tensor) -> Any:
        """Return what the loss of the logits measures of a piece."""
        return measure_by_pieces(self.loss, self.ignore_index).measure_piece(logits, target)

    def combine_pieces(self, measured: Sequence[Any], images: int) -> torch.Tensor:
        """Return the scalar loss of a batch."""
        return measure_by_pieces(self.loss, self.ignore_index).combine_pieces(measured, images)

    def _boundary_loss(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        labelled = target != self.ignore_index
        truth = boundary_pixels(target, self.boundary_px, self.ignore_index)
        near, far = truth & labelled, ~truth & labelled
        count = labelled.sum().clamp(min=1)
        # Each kind weighs as much as the share of the other: few pixels are near a boundary.
        weight = (near * far.sum() + far * near.sum()) / count
        logits = logits[:, 0].to(torch.promote_types(logits.dtype, torch.float32))
        losses = F.binary_cross_entropy_with_logits(
            logits, truth.to(logits.dtype), weight.to(logits.dtype), reduction="none"
        )
        return losses.sum() / count

    def _keep_sure(self, boundary: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        sure = boundary.detach()[:, 0].sigmoid() > self.sure_probability
        return target.masked_fill(~sure, self.ignore_index)


@torch.no_grad()
def boundary_pixels(target: torch.Tensor, radius_px: int, ignore_index: int) -> torch.Tensor:
    """Return which pixels have another class within a square around them, bool (B, H, W).

    Pixels that are not labelled are no class: nothing is a boundary for lying beside them.

    Args:
        target: The labels, int64 (B, H, W).
        radius_px: How far the square reaches to each side.
        ignore_index: The label of pixels that are not labelled.
    """
    unlabelled = target == ignore_index
    ids = target.float()[:, None]
    far = float("inf")
    side, pad = 2 * radius_px + 1, radius_px
    highest = F.max_pool2d(ids.masked_fill(unlabelled[:, None], -far), side, 1, pad)
    lowest = -F.max_pool2d(-ids.masked_fill(unlabelled[:, None], far), side, 1, pad)
    return (highest > lowest)[:, 0] & ~unlabelled
