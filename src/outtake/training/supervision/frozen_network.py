"""Trained networks that are asked and never trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import nn

from outtake.training.task import SegmentationTask

# Instead of one that float32 has rounded to 0, which has no logarithm.
_LEAST_PROBABILITY = 1e-30


class FrozenNetwork:
    """Tasks in eval mode, without gradients, that no other module holds as a part of it.

    So they are neither in the checkpoints of a network that learns from them, nor in its optimizer,
    nor exchanged between ranks. A copy of whatever refers to it refers to the same one.

    Args:
        tasks: The trained task, or several of the same classes, whose probabilities are averaged.
            Each normalises images as it was trained to.
        name: What it is called in messages, such as the path of its checkpoint.
        sha256: The digest of its checkpoint, in hex.
    """

    def __init__(self, tasks: Sequence[SegmentationTask], name: str, sha256: str) -> None:
        self._tasks = [task.eval().requires_grad_(False) for task in tasks]
        self.name = name
        self.sha256 = sha256

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: what never changes needs no copy."""
        return self

    @property
    def net(self) -> nn.Module | None:
        """The network alone; None where there are several."""
        return self._tasks[0].net if len(self._tasks) == 1 else None

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Map uint8 (B, C, h, w) to logits (B, classes, h, w), on the device of the images.

        Those of several networks are the logarithm of their mean probability.
        """
        if len(self._tasks) == 1:
            return self._ask(self._tasks[0], images)
        total = self._ask(self._tasks[0], images).float().softmax(1)
        for task in self._tasks[1:]:
            total += self._ask(task, images).float().softmax(1)
        return (total / len(self._tasks)).clamp(min=_LEAST_PROBABILITY).log()

    @staticmethod
    def _ask(task: SegmentationTask, images: torch.Tensor) -> torch.Tensor:
        if task.device != images.device:
            task.to(images.device)
        logits: torch.Tensor = task(images)
        return logits
