"""A model: any network from (B, C, H, W) to logits (B, classes, H, W)."""

from __future__ import annotations

import torch
from torch import nn


class ThreeConvolutions(nn.Sequential):
    """Three convolutions at full resolution.

    Args:
        classes: The number of classes, which the data set knows.
        in_channels: The number of channels of an image, which the data set knows.
        width: The number of feature maps.
    """

    def __init__(self, classes: int, in_channels: int, width: int = 16) -> None:
        super().__init__(
            nn.Conv2d(in_channels, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv2d(width, classes, 1),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map normalised images (B, C, H, W) to logits (B, classes, H, W)."""
        logits: torch.Tensor = super().forward(images)
        return logits
