"""Cross entropy of the hardest pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.validate import check_number


class OHEM(nn.Module):
    """Online hard example mining: cross entropy of the pixels that the network is unsure of.

    Shrivastava, Gupta and Girshick, "Training Region-based Object Detectors with Online Hard
    Example Mining", CVPR 2016. A pixel is hard if its own class has a probability below the
    threshold. The loss is the mean over the hard pixels of the batch, and over at least
    ``min_share`` of the labelled ones, the hardest first. With several ranks, each takes the mean
    over its own pixels.

    Args:
        threshold: The probability from which on a pixel is easy, in 0 to 1.
        min_share: The share of the labelled pixels that always count, in 0 to 1.
        ignore_index: The label of pixels that are not trained on.

    Raises:
        ConfigError: A number that is not in its range.
    """

    def __init__(
        self, *, threshold: float = 0.7, min_share: float = 0.0625, ignore_index: int = 255
    ) -> None:
        super().__init__()
        check_number("loss.threshold", threshold, 0, 1)
        check_number("loss.min_share", min_share, 0, 1)
        self.threshold = threshold
        self.min_share = min_share
        self.ignore_index = ignore_index

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of logits (B, classes, H, W) and labels int64 (B, H, W)."""
        losses = self.measure_piece(logits, target)
        if not losses.numel():
            return (logits * 0.0).sum()
        losses, _ = losses.sort(descending=True)
        hard = int((losses > self._threshold_loss).sum())
        return losses[: max(hard, self._least(len(losses)))].mean()

    def measure_piece(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the cross entropy of each labelled pixel, (pixels,)."""
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        losses = F.cross_entropy(logits, target, ignore_index=self.ignore_index, reduction="none")
        return losses[target != self.ignore_index]

    def combine_pieces(self, measured: Sequence[torch.Tensor], images: int) -> torch.Tensor:
        """Return the scalar loss of a batch; only where few pixels are hard are they sorted."""
        losses = torch.cat(list(measured))
        if not losses.numel():
            return losses.sum()
        hard, least = losses[losses > self._threshold_loss], self._least(len(losses))
        return (hard if len(hard) >= least else losses.topk(least).values).mean()

    @property
    def _threshold_loss(self) -> float:
        return -math.log(max(self.threshold, 1e-12))

    def _least(self, pixels: int) -> int:
        return max(math.ceil(self.min_share * pixels), 1)
