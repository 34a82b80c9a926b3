"""FCN-AlexNet: the paper's FCN-32s on AlexNet.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number
from outtake.models.classifier_weights import ALEXNET_LAYOUTS, load_classifier
from outtake.models.fcn_vgg16 import (
    FC_CHANNELS,
    PADDING_PX,
    initialise_convolutions,
    make_zero_score,
    scale_width,
)
from outtake.models.layers import BilinearTransposedConvolution
from outtake.models.map_geometry import IMAGE, crop

# Filters of conv1 to conv5; the groups of each; whether pool1 and pool2 are followed by local
# response normalisation. CaffeNet is the network of Krizhevsky et al. 2012, torchvision's that of
# Krizhevsky 2014, which was made for one GPU.
VARIANTS = {
    "caffenet": ((96, 256, 384, 384, 256), (1, 2, 1, 2, 2), True),
    "torchvision": ((64, 192, 384, 256, 256), (1, 1, 1, 1, 1), False),
}
_KERNELS, _PADDINGS = (11, 5, 3, 3, 3), (PADDING_PX, 2, 1, 1, 1)
_POOLED_CONVOLUTIONS, _NORMALISED_CONVOLUTIONS = (1, 2, 5), (1, 2)
_CONV1_STRIDE, _FC6_KERNEL, _UP_KERNEL, _UP_STRIDE = 4, 6, 63, 32


class FCNAlexNet(nn.Module):
    """The paper's network on AlexNet: scores of stride 32, upsampled at once.

    Args:
        classes: The number of classes.
        variant: ``caffenet``, the paper's, or ``torchvision``, whose files are more common.
        encoder_weights: None, or the file of that network.
        weights_pixels: What values the filters of that file were learnt on, see
            :func:`outtake.models.classifier_weights.load_classifier`.
        in_channels: The number of channels of the images.
        width: How many filters each layer has, as a share of the published number.
        dropout: The probability of dropout after fc6 and fc7.
        pixel_scale: The fields of :class:`outtake.models.normalisation.PixelScale`, which the
            first filters of the file are converted to; None leaves them as they are.

    Raises:
        ConfigError: The variant does not exist, or a number is not in its range.
        WeightsError: The file is missing or does not fit.
    """

    def __init__(
        self,
        classes: int,
        *,
        variant: str = "caffenet",
        encoder_weights: str | None = None,
        weights_pixels: str = "auto",
        in_channels: int = 3,
        width: float = 1.0,
        dropout: float = 0.5,
        pixel_scale: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ConfigError(f"model.variant={variant}: allowed are {', '.join(VARIANTS)}")
        filters, groups, self._normalises = VARIANTS[variant]
        check_number("model.dropout", dropout, 0, 1)
        self._dropout = dropout
        given, geometry = in_channels, IMAGE
        for index, published in enumerate(filters):
            # Both halves of a convolution in two groups have as many.
            channels = 2 * scale_width(published // 2, width)
            kernel, padding = _KERNELS[index], _PADDINGS[index]
            stride = _CONV1_STRIDE if index == 0 else 1
            layer = nn.Conv2d(
                given, channels, kernel, stride=stride, padding=padding, groups=groups[index]
            )
            self.add_module(f"conv{index + 1}", layer)
            geometry, given = geometry.convolve(kernel, stride, padding), channels
            if index + 1 in _POOLED_CONVOLUTIONS:
                geometry = geometry.convolve(3, 2)
        hidden = scale_width(FC_CHANNELS, width)
        self.fc6 = nn.Conv2d(given, hidden, _FC6_KERNEL)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        initialise_convolutions(self)
        self.score_fr = make_zero_score(hidden, classes)
        self.up_final = BilinearTransposedConvolution(_UP_STRIDE, _UP_KERNEL)
        geometry = geometry.convolve(_FC6_KERNEL).upsample(_UP_KERNEL, _UP_STRIDE)
        self.crop_offset = geometry.offset_of(IMAGE)
        layouts = ALEXNET_LAYOUTS
        load_classifier(self, encoder_weights, layouts, weights_pixels, pixel_scale)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        x = image
        for number in range(1, 6):
            x = F.relu(self.get_submodule(f"conv{number}")(x), inplace=True)
            if number in _POOLED_CONVOLUTIONS:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
            if self._normalises and number in _NORMALISED_CONVOLUTIONS:
                x = normalise_local_response(x)
        for layer in (self.fc6, self.fc7):
            x = F.dropout(F.relu(layer(x), inplace=True), self._dropout, self.training)
        return crop(self.up_final(self.score_fr(x)), self.crop_offset, like=image)


def normalise_local_response(
    x: torch.Tensor, size: int = 5, alpha: float = 1e-4, beta: float = 0.75
) -> torch.Tensor:
    """Divide maps (B, C, H, W) by a mean over ``size`` neighbouring channels (Krizhevsky 2012).

    As :func:`torch.nn.functional.local_response_norm`, whose gradient torch's deterministic
    algorithms refuse on CUDA.
    """
    channels = x.shape[1]
    squares = F.pad(x * x, (0, 0, 0, 0, size // 2, size // 2))
    total = squares[:, :channels]
    for shift in range(1, size):
        total = total + squares[:, shift : shift + channels]
    return x / (1 + alpha / size * total) ** beta
