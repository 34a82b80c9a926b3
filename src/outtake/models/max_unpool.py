"""Pooling by 2 that remembers which pixel of each window won, and its reverse.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014, section 2.1.
torch has both, but its ``max_unpool2d`` is refused by deterministic algorithms on CUDA and cannot
be traced for export. These are comparisons and products, which both take.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F


def max_pool_with_positions(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pool (B, C, H, W) of even sides by 2.

    Returns:
        The maxima (B, C, H/2, W/2), and where each was in its window, of the same shape and dtype:
        0 top left, 1 top right, 2 bottom left, 3 bottom right; the first of equal ones.
    """
    with torch.no_grad():
        left, right = x[..., 0::2], x[..., 1::2]
        column = (right > left).to(x.dtype)
        row_max = torch.maximum(left, right)
        top, bottom = row_max[..., 0::2, :], row_max[..., 1::2, :]
        is_bottom = bottom > top
        position = torch.where(is_bottom, column[..., 1::2, :] + 2, column[..., 0::2, :])
    return F.max_pool2d(x, 2), position


def max_unpool(x: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """Put each value of (B, C, H, W) in its place of a window of 2x2, with zeros around it.

    Args:
        x: The values.
        position: Their places, of the same shape, from :func:`max_pool_with_positions`.

    Returns:
        A map (B, C, 2H, 2W).
    """
    height, width = 2 * x.shape[-2], 2 * x.shape[-1]
    rows = torch.arange(height, device=x.device) % 2 * 2
    columns = torch.arange(width, device=x.device) % 2
    window = (rows[:, None] + columns).to(position.dtype)
    is_place = F.interpolate(position, scale_factor=2.0) == window
    return F.interpolate(x, scale_factor=2.0) * is_place.to(x.dtype)
