"""Fully convolutional DenseNets with 56, 67 and 103 layers.

Jegou, Drozdzal, Vazquez, Romero and Bengio, "The One Hundred Layers Tiramisu: Fully Convolutional
DenseNets for Semantic Segmentation", 2017. Every layer of a block sees the maps of all layers
before it. On the way up only what a block added is enlarged, so that the number of channels stays
small.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number, check_whole_numbers
from outtake.models.layers import pad_to_stride


class FCDenseNet(nn.Module):
    """Dense blocks with pooling between them, and the same number on the way back up.

    Args:
        classes: The number of classes.
        in_channels: The number of channels of the images.
        block_layers: The layers of each block on the way down, and of the block at the bottom;
            the way up mirrors them.
        growth: The channels that each layer adds.
        first_channels: The channels of the first convolution.
        dropout: The probability of dropout after each convolution but the first and the last.

    Raises:
        ConfigError: Fewer than two blocks, or a number that is not in its range.
    """

    def __init__(
        self,
        classes: int,
        *,
        in_channels: int = 3,
        block_layers: Sequence[int] = (4, 4, 4, 4, 4, 4),
        growth: int = 12,
        first_channels: int = 48,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        check_whole_numbers("model.block_layers", block_layers, "[4,4,4,4,4,4]")
        if len(block_layers) < 2:
            raise ConfigError("model.block_layers: name at least one block and the bottom one")
        check_number("model.growth", growth, 1, whole=True)
        check_number("model.first_channels", first_channels, 1, whole=True)
        check_number("model.dropout", dropout, 0, 1)
        *down_layers, bottom_layers = block_layers
        self.first = nn.Conv2d(in_channels, first_channels, 3, padding=1)
        channels, skips = first_channels, []
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        for layers in down_layers:
            self.down.append(DenseBlock(channels, growth, layers, dropout))
            channels += layers * growth
            skips.append(channels)
            self.shrink.append(_make_layer(channels, channels, 1, dropout))
        self.bottom = DenseBlock(channels, growth, bottom_layers, dropout)
        added = bottom_layers * growth
        self.enlarge, self.up = nn.ModuleList(), nn.ModuleList()
        for layers, skip in zip(reversed(down_layers), reversed(skips), strict=True):
            self.enlarge.append(
                nn.ConvTranspose2d(added, added, 3, stride=2, padding=1, output_padding=1)
            )
            channels = added + skip
            self.up.append(DenseBlock(channels, growth, layers, dropout))
            added = layers * growth
        self.score = nn.Conv2d(channels + added, classes, 1)
        self._stride = 2 ** len(down_layers)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        height, width = image.shape[-2:]
        x = self.first(pad_to_stride(image, self._stride))
        skips = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            x = torch.cat([x, block(x)], 1)
            skips.append(x)
            x = F.max_pool2d(shrink(x), 2)
        added = self.bottom(x)
        for enlarge, block in zip(self.enlarge, self.up, strict=True):
            x = torch.cat([enlarge(added), skips.pop()], 1)
            added = block(x)
        logits: torch.Tensor = self.score(torch.cat([x, added], 1))
        return logits[..., :height, :width]


class DenseBlock(nn.Module):
    """Layers that each see the input and all that the layers before them gave.

    Args:
        channels: The channels of the input.
        growth: The channels that each layer gives.
        layers: The number of layers.
        dropout: The probability of dropout after each.
    """

    def __init__(self, channels: int, growth: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _make_layer(channels + i * growth, growth, 3, dropout) for i in range(layers)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, H, W) to what the layers added, (B, layers * growth, H, W)."""
        added: list[torch.Tensor] = []
        for layer in self.layers:
            added.append(layer(torch.cat([x, *added], 1)))
        return torch.cat(added, 1)


def _make_layer(channels: int, out: int, kernel: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, out, kernel, padding=kernel // 2),
        nn.Dropout(dropout),
    )
