"""Normalise uint8 pixels to the range that a network was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

# Deng et al., ImageNet: the statistics that the encoders of torchvision, timm and smp expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalize(nn.Module):
    """Subtracts the mean of each channel and divides by its standard deviation.

    Args:
        channels: The number of channels of the images. Three have the ImageNet statistics unless
            others are given, any other number has 0.5 and 0.25.
        mean: The mean of each channel, for images in 0 to 1.
        std: The standard deviation of each channel, for images in 0 to 1.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        channels: int = 3,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        rgb = channels == 3
        mean = mean or (IMAGENET_MEAN if rgb else (0.5,) * channels)
        std = std or (IMAGENET_STD if rgb else (0.25,) * channels)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map uint8 (B, C, H, W) in 0 to 255 to float32 of the same shape."""
        return (image.float() / 255.0 - self.mean) / self.std
