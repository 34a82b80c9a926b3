"""An encoder of five convolutions, for networks that are trained from nothing."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from outtake.models.layers import make_conv_bn_relu

WIDTHS = (64, 128, 256, 256, 256)


class PlainEncoder(nn.Module):
    """3x3 convolutions, each with batch normalisation, ReLU and pooling by 2.

    Args:
        in_channels: The number of channels of the images.
        depth: The number of stages, 1 to 5.

    Attributes:
        out_channels: The channels of the image and of each map, as encoders of smp name them.
    """

    def __init__(self, in_channels: int = 3, depth: int = 5) -> None:
        super().__init__()
        self.out_channels = [in_channels, *WIDTHS[:depth]]
        self.stages = nn.ModuleList(
            make_conv_bn_relu(self.out_channels[i], self.out_channels[i + 1]) for i in range(depth)
        )

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Map (B, C, H, W) to the image and maps at strides 2, 4 ... 2**depth."""
        maps = [image]
        for stage in self.stages:
            maps.append(F.max_pool2d(stage(maps[-1]), 2))
        return maps
