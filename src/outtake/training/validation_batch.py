"""The labels and the loss of a batch of validation, in memory that its labels do not decide."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from outtake.evaluation.enlarged_logits import iter_enlarged
from outtake.training.piecewise_loss import measure_by_pieces


def decide_labels(
    predicted_groups: Iterable[tuple[slice, torch.Tensor]],
    truth: torch.Tensor,
    loss: nn.Module,
    ignore_index: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Enlarge logits to the size of the labels piece by piece, take the best class, and the loss.

    A batch that is small enough to be enlarged at once gives the loss of one call; the loss of
    pieces is summed in another order.

    Args:
        predicted_groups: Which images of the batch, and their logits, float (b, classes, h, w), at
            the network's resolution; see :func:`outtake.evaluation.enlarged_logits.iter_predicted`.
        truth: True labels (B, H, W), uint8 or int64.
        loss: Logits (B, classes, H, W) and labels int64 (B, H, W) to a scalar; see also
            :class:`outtake.training.piecewise_loss.PiecewiseLoss`.
        ignore_index: The label of pixels that count for nothing.

    Returns:
        The predicted labels, uint8 (B, H, W), and the loss, a scalar.
    """
    predicted = torch.empty(truth.shape, dtype=torch.uint8, device=truth.device)
    size = (int(truth.shape[-2]), int(truth.shape[-1]))
    piecewise, measured = measure_by_pieces(loss, ignore_index), []
    for some, logits in predicted_groups:
        for piece in iter_enlarged(logits, size):
            known = piece.of(truth[some]).long()
            piece.of(predicted[some]).copy_(piece.logits.argmax(1))
            if known.shape == truth.shape:
                whole: torch.Tensor = loss(piece.logits, known)
                return predicted, whole
            measured.append(piecewise.measure_piece(piece.logits, known))
    return predicted, piecewise.combine_pieces(measured, len(truth))
