"""Losses of batches that are too large for memory, from pieces of their enlarged logits."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn


@runtime_checkable
class PiecewiseLoss(Protocol):
    """A loss whose value on a batch follows from what is measured on pieces of it.

    Validation calls both, piece by piece and without gradients. The value equals that of one call
    with the whole batch up to the order of sums.
    """

    def measure_piece(self, logits: torch.Tensor, target: torch.Tensor) -> Any:
        """Measure a piece: logits (b, classes, H, W) and labels int64 (b, H, W)."""
        ...

    def combine_pieces(self, measured: Sequence[Any], images: int) -> torch.Tensor:
        """Return the scalar loss of a batch of so many images."""
        ...


class MeanOfPieces:
    """The mean of a loss over pieces, each as often as it has labelled pixels.

    For a loss that says nothing of pieces: the mean of a cross entropy is the same, that of others
    (Dice, Lovasz) is near to it. The first time this is said in a warning.

    Args:
        loss: Logits (b, classes, H, W) and labels int64 (b, H, W) to a scalar.
        ignore_index: The label of pixels that count for nothing.
    """

    def __init__(self, loss: nn.Module, ignore_index: int) -> None:
        self._loss = loss
        self._ignore_index = ignore_index

    def measure_piece(
        self, logits: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss of a piece and its number of labelled pixels."""
        return self._loss(logits, target), (target != self._ignore_index).sum()

    def combine_pieces(
        self, measured: Sequence[tuple[torch.Tensor, torch.Tensor]], images: int
    ) -> torch.Tensor:
        """Return the mean, 0 where no pixel is labelled."""
        name = type(getattr(self._loss, "loss", self._loss)).__name__
        warnings.warn(
            f"val/loss: the labels of {images} images are too large to enlarge their logits at "
            f"once, and {name} needs them all: it is the mean of {name} over pieces of them; the "
            "scores are exact",
            PiecewiseLossWarning,
            stacklevel=2,
        )
        values = torch.stack([value for value, _ in measured]).double()
        pixels = torch.stack([count for _, count in measured]).double()
        # A piece without labels may have a loss of NaN, which counts for nothing.
        total = torch.where(pixels > 0, values * pixels, 0.0).sum()
        return (total / pixels.sum().clamp(min=1)).float()


class PiecewiseLossWarning(UserWarning):
    """A validation loss is not that of a whole batch; it stops nothing."""


def measure_by_pieces(loss: nn.Module, ignore_index: int) -> PiecewiseLoss:
    """Return a loss that knows pieces as it is, another one as the mean over them."""
    return loss if isinstance(loss, PiecewiseLoss) else MeanOfPieces(loss, ignore_index)
