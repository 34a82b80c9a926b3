"""A trained network that is asked and never trained."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import nn

from outtake.training.task import SegmentationTask


class FrozenNetwork:
    """A task in eval mode, without gradients, that no other module holds as a part of it.

    So it is neither in the checkpoints of a network that learns from it, nor in its optimizer, nor
    exchanged between ranks. A copy of whatever refers to it refers to the same one.

    Args:
        task: The trained task, which normalises images as it was trained to.
        name: What it is called in messages, such as the path of its checkpoint.
        sha256: The digest of its checkpoint, in hex.
    """

    def __init__(self, task: SegmentationTask, name: str, sha256: str) -> None:
        self._task = task.eval().requires_grad_(False)
        self.name = name
        self.sha256 = sha256

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: what never changes needs no copy."""
        return self

    @property
    def net(self) -> nn.Module:
        """The network alone."""
        return self._task.net

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Map uint8 (B, C, h, w) to logits (B, classes, h, w), on the device of the images."""
        if self._task.device != images.device:
            self._task.to(images.device)
        logits: torch.Tensor = self._task(images)
        return logits
