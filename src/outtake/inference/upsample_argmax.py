"""Upsample logits at the network's resolution to labels at the frame's.

The labels are the argmax of bilinearly enlarged logits, as in training and evaluation, but most
logits are never enlarged. An enlarged logit is a convex combination of four neighbours: where all
four have the same best class, that class is the best everywhere between them. Only pixels between
neighbours that disagree, a few percent of a picture, are computed.
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from outtake.inference.protocol import Logits

Scalar = TypeVar("Scalar", bound=np.generic)

# With more pixels than this between neighbours that disagree, computing all of them is faster.
MAX_SPARSE_SHARE = 0.3


def upsample_argmax(
    logits: Logits, size: tuple[int, int], *, confidence: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """Return labels at ``size``, and their probability if ``confidence`` is set.

    Args:
        logits: float32 (h, w, classes).
        size: The (H, W) of the result.
        confidence: Return the probability too. Between neighbours that disagree it is the softmax
            of the enlarged logits; between those that agree it is the bilinear mean of their
            probabilities, which is off by 0.001 on average, and seldom by more than 0.1.

    Returns:
        uint8 (H, W), and float32 (H, W) or None.
    """
    labels = _argmax(logits)
    sure = _probability(logits) if confidence else None
    height, width = labels.shape
    if (height, width) == size:
        return labels, sure
    rows, columns = _BilinearTaps(height, size[0]), _BilinearTaps(width, size[1])
    undecided = _take_upper_left(_find_label_edges(labels), rows, columns)
    at = np.flatnonzero(undecided)
    if len(at) > MAX_SPARSE_SHARE * undecided.size:
        return _upsample_everywhere(logits, size, confidence)
    found = _take_upper_left(labels, rows, columns)
    between = _interpolate_at(logits, rows, columns, at)
    found.reshape(-1)[at] = _argmax(between)
    if sure is None:
        return found, None
    sure = cv2.resize(sure, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    sure.reshape(-1)[at] = _probability(between)
    return found, sure


class _BilinearTaps:
    """The two samples between which each new one lies, and its place (align_corners=False)."""

    def __init__(self, length: int, new_length: int) -> None:
        scale = np.float32(length / new_length)
        place = np.maximum((np.arange(new_length, dtype=np.float32) + 0.5) * scale - 0.5, 0)
        self.first = np.minimum(place.astype(np.intp), length - 1)
        self.second = np.minimum(self.first + 1, length - 1)
        self.weight = (place - self.first).astype(np.float32)


def _argmax(logits: Logits) -> NDArray[np.uint8]:
    return np.asarray(logits.argmax(axis=-1), np.uint8)


def _probability(logits: Logits) -> NDArray[np.float32]:
    """Return the softmax of the best class."""
    planes = np.array(np.moveaxis(logits, -1, 0), order="C")  # sums over a short last axis crawl
    planes -= planes.max(axis=0)
    np.exp(planes, out=planes)
    return np.asarray(1 / planes.sum(axis=0), np.float32)


def _find_label_edges(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the pixels whose label differs from one to the right, below, or diagonally below."""
    mixed = np.zeros(labels.shape, bool)
    down = labels[:-1] != labels[1:]
    right = labels[:, :-1] != labels[:, 1:]
    mixed[:-1] |= down
    mixed[:-1, :-1] |= down[:, 1:]
    mixed[:, :-1] |= right
    return mixed


def _take_upper_left(
    cells: NDArray[Scalar], rows: _BilinearTaps, columns: _BilinearTaps
) -> NDArray[Scalar]:
    """Return for each pixel the value of its upper left neighbour."""
    found: NDArray[Scalar] = cells.take(rows.first, axis=0).take(columns.first, axis=1)
    return found


def _interpolate_at(
    logits: Logits, rows: _BilinearTaps, columns: _BilinearTaps, at: NDArray[np.intp]
) -> Logits:
    """Return the enlarged logits (N, classes) of the pixels ``at`` (flat indices)."""
    height, width, classes = logits.shape
    flat = logits.reshape(height * width, classes)
    y, x = np.divmod(at, len(columns.first))
    upper, lower = rows.first[y] * width, rows.second[y] * width
    left, right = columns.first[x], columns.second[x]
    across, down = columns.weight[x, None], rows.weight[y, None]
    top, bottom = flat[upper + left], flat[lower + left]
    top += (flat[upper + right] - top) * across
    bottom += (flat[lower + right] - bottom) * across
    top += (bottom - top) * down
    return np.asarray(top, np.float32)


def _upsample_everywhere(
    logits: Logits, size: tuple[int, int], confidence: bool
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    with torch.inference_mode():
        planes = torch.from_numpy(logits).permute(2, 0, 1)[None]
        large = F.interpolate(planes, size=size, mode="bilinear", align_corners=False)
        best, labels = large.max(dim=1)
        found = labels[0].to(torch.uint8).numpy()
        if not confidence:
            return found, None
        return found, torch.exp(best - torch.logsumexp(large, dim=1))[0].numpy()
