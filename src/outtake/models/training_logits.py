"""What a network gives in training beside its logits: the scores of heads that training needs.

A network with such heads returns :class:`TrainingLogits` in training mode and plain logits in
evaluation, and names the heads in its attribute ``training_heads``. The loss
:class:`outtake.training.losses.deep_supervision.DeepSupervision` trains them; any other loss is
given the logits alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

BOUNDARY = "boundary"


class TrainingLogits(NamedTuple):
    """Logits of the network and of its heads, all of the image's size.

    A named tuple, because torch's sharding looks for the tensors in what a module returns.

    Attributes:
        main: The logits that the network gives in evaluation too, (B, classes, H, W).
        auxiliary: The logits of heads on inner maps by name, (B, classes, H, W).
        boundary: The logits of a boundary between classes, (B, 1, H, W), or None.
    """

    main: torch.Tensor
    auxiliary: Mapping[str, torch.Tensor]
    boundary: torch.Tensor | None = None


def main_logits(outputs: torch.Tensor | TrainingLogits) -> torch.Tensor:
    """Return the logits of what a network gave, in training or evaluation."""
    return outputs.main if isinstance(outputs, TrainingLogits) else outputs


def first_logits(
    outputs: torch.Tensor | TrainingLogits, count: int
) -> torch.Tensor | TrainingLogits:
    """Return what a network gave for the first images of a batch."""
    if not isinstance(outputs, TrainingLogits):
        return outputs[:count]
    heads = {name: logits[:count] for name, logits in outputs.auxiliary.items()}
    boundary = None if outputs.boundary is None else outputs.boundary[:count]
    return TrainingLogits(outputs.main[:count], heads, boundary)


def all_logits(outputs: torch.Tensor | TrainingLogits) -> list[torch.Tensor]:
    """Return the logits of what a network gave, and those of all its heads."""
    if not isinstance(outputs, TrainingLogits):
        return [outputs]
    boundary = [] if outputs.boundary is None else [outputs.boundary]
    return [outputs.main, *outputs.auxiliary.values(), *boundary]


def training_heads(net: nn.Module) -> tuple[str, ...]:
    """Return the names of the heads that a network has for training; none for most."""
    heads: tuple[str, ...] = getattr(net, "training_heads", ())
    return heads
