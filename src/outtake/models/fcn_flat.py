"""A fully convolutional network that never downsamples: every layer has the image's resolution.

The context grows by dilation instead: the dilations double from layer to layer, so that the area
that a pixel's label depends on grows exponentially with the number of layers, while each layer
keeps 3x3 weights. Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2016,
whose context module (dilations 1, 1, 2, 4, 8, 16, 1, then 1x1) is applied here to the pixels
themselves, one doubling or two further, with batch normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from outtake.core.validate import check_number, check_whole_numbers
from outtake.models.layers import make_conv_bn_relu


class FCNFlat(nn.Module):
    """3x3 convolutions at full resolution, with growing dilation, and a score for each pixel.

    Time and memory grow with width and image: at 480x360 a map of 24 channels takes 16 MB an
    image in float32.

    Args:
        classes: The number of classes.
        in_channels: The number of channels of the images.
        width: The number of channels of every map.
        dilations: The dilation of each 3x3 convolution, 1 or more, from first to last.
        dropout: The probability of dropout of whole channels before the scores.

    Attributes:
        receptive_px: The side in pixels of the square that the label of a pixel depends on.

    Raises:
        ConfigError: There is no dilation, or a number is not in its range.
    """

    def __init__(
        self,
        classes: int,
        *,
        in_channels: int = 3,
        width: int = 24,
        dilations: Sequence[int] = (1, 1, 2, 4, 8, 16, 32, 64, 1),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_number("model.width", width, 1, whole=True)
        check_whole_numbers("model.dilations", dilations, "[1,1,2,4,8,16,32,64,1]")
        check_number("model.dropout", dropout, 0, 1)
        self.receptive_px = 1 + 2 * sum(dilations)
        widths = [in_channels, *[width] * len(dilations)]
        self.layers = nn.Sequential(
            *(
                make_conv_bn_relu(widths[i], width, dilation=dilation)
                for i, dilation in enumerate(dilations)
            )
        )
        self.score = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(width, classes, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        logits: torch.Tensor = self.score(self.layers(image))
        return logits
