"""Average pooling onto a grid that has a deterministic gradient on CUDA."""

from __future__ import annotations

import torch
from torch import nn


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    """Pooling of torch, as two products of matrices where torch has no deterministic kernel.

    torch refuses the gradient of its own kernel on CUDA when deterministic algorithms are asked
    for (``torch.use_deterministic_algorithms``). The cells are the same: cell i of n over a side
    of L goes from floor(i L / n) to ceil((i + 1) L / n).
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C, rows, columns)."""
        if not (x.is_cuda and torch.are_deterministic_algorithms_enabled()):
            pooled: torch.Tensor = super().forward(x)
            return pooled
        size = self.output_size
        rows, columns = size if isinstance(size, tuple) else (size, size)
        height, width = x.shape[-2:]
        down = averaging_matrix(height, rows or height).to(x.device)
        across = averaging_matrix(width, columns or width).to(x.device)
        with torch.autocast(x.device.type, enabled=False):
            return (down @ x.float() @ across.T).to(x.dtype)


def averaging_matrix(length: int, cells: int) -> torch.Tensor:
    """Return the float32 (cells, length) matrix whose product with a line is its cells' means."""
    index = torch.arange(cells)
    first = index * length // cells
    end = -((-(index + 1) * length) // cells)
    place = torch.arange(length)
    inside = (place >= first[:, None]) & (place < end[:, None])
    return inside / (end - first)[:, None]


def pool_deterministically(net: nn.Module) -> None:
    """Put :class:`AdaptiveAvgPool2d` in the place of torch's, in a whole network.

    Pooling to one cell stays: torch takes the mean there, whose gradient is deterministic.
    """
    for parent in net.modules():
        for name, child in parent.named_children():
            if type(child) is nn.AdaptiveAvgPool2d and child.output_size not in (1, (1, 1)):
                setattr(parent, name, AdaptiveAvgPool2d(child.output_size))
