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
_PIXELS_AT_ONCE = 2**22  # each takes some 40 bytes while it is counted
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
        predicted: The predicted labels, uint8 or int64 (H, W).
        truth: The true labels, of the same type (H, W).
        ignore_index: The label of pixels that are left out.

    Returns:
        Pixels, sum of confidence and correct pixels of each bin, float64 (3, BINS).
    """
    counts = np.zeros((3, BINS + 1))
    step = max(_PIXELS_AT_ONCE // confidences.shape[1], 1)
    for start in range(0, len(confidences), step):
        rows = slice(start, start + step)
        sure, known = confidences[rows].flatten(), truth[rows].flatten()
        # The bins are open at their lower end: (0, 1/15], (1/15, 2/15] and so on.
        bins = (torch.ceil(sure * BINS) - 1).clamp_(0, BINS - 1).long()
        bins = torch.where(known == ignore_index, BINS, bins)
        hit = torch.where(predicted[rows].flatten() == known, bins, BINS)
        counts[COUNT] += torch.bincount(bins, minlength=BINS + 1).cpu().numpy()
        # On the host: with weights, the order in which the CUDA kernel adds is not fixed. One
        # pixel after the other, so that the sum does not depend on where the rows are cut.
        np.add.at(counts[CONFIDENCE], bins.cpu().numpy(), sure.double().cpu().numpy())
        counts[CORRECT] += torch.bincount(hit, minlength=BINS + 1).cpu().numpy()
    return counts[:, :BINS]


def expected_calibration_error(histograms: Floats) -> Floats:
    """Return the error of tables (..., 3, BINS), NaN where there are no pixels."""
    count, sure, correct = (histograms[..., row, :] for row in (COUNT, CONFIDENCE, CORRECT))
    pixels = count.sum(-1)
    # The weight of a bin times its gap is the gap of its sums over all pixels.
    gap = np.abs(correct - sure).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(pixels > 0, gap / pixels, np.nan)
