"""Expected calibration error: whether a network is as confident as it is right.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017: pixels are
sorted into 15 bins of equal width by the softmax of the class that won; the error is the mean of
|accuracy - confidence| over the bins, weighted by their pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

BINS = 15
COUNT, CONFIDENCE, CORRECT = range(3)
Floats = NDArray[np.float64]


def predicted_confidence(logits: torch.Tensor) -> torch.Tensor:
    """Return the softmax of the best class, float32 (B, H, W), of logits (B, classes, H, W)."""
    return torch.exp(logits.amax(1) - logits.logsumexp(1))


def confidence_histogram(
    confidences: torch.Tensor, predicted: torch.Tensor, truth: torch.Tensor, ignore_index: int
) -> Floats:
    """Sort the labelled pixels of one image into bins by their confidence.

    Args:
        confidences: The confidence in 0 to 1, (H, W).
        predicted: The predicted labels, int64 (H, W).
        truth: The true labels, int64 (H, W).
        ignore_index: The label of pixels that are left out.

    Returns:
        Pixels, sum of confidence and correct pixels of each bin, float64 (3, BINS).
    """
    # The bins are open at their lower end: (0, 1/15], (1/15, 2/15] and so on.
    bins = (torch.ceil(confidences * BINS) - 1).clamp_(0, BINS - 1).long()
    bins = torch.where(truth == ignore_index, BINS, bins).flatten()
    hit = predicted == truth
    count = torch.bincount(bins, minlength=BINS + 1)
    correct = torch.bincount(torch.where(hit.flatten(), bins, BINS), minlength=BINS + 1)
    # On the host: with weights, the order in which the CUDA kernel adds is not fixed.
    total = np.bincount(
        bins.cpu().numpy(),
        confidences.flatten().cpu().numpy().astype(np.float64),
        minlength=BINS + 1,
    )
    return np.stack([count.cpu().numpy(), total, correct.cpu().numpy()])[:, :BINS].astype(
        np.float64
    )


def expected_calibration_error(histograms: Floats) -> Floats:
    """Return the error of tables (..., 3, BINS), NaN where there are no pixels."""
    count, sure, correct = (histograms[..., row, :] for row in (COUNT, CONFIDENCE, CORRECT))
    pixels = count.sum(-1)
    # The weight of a bin times its gap is the gap of its sums over all pixels.
    gap = np.abs(correct - sure).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(pixels > 0, gap / pixels, np.nan)
