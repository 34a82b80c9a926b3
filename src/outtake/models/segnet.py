"""SegNet: an encoder in the shape of VGG-16 and its mirror, joined by the places of the maxima.

Badrinarayanan, Kendall and Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for
Image Segmentation", 2017. No map travels from encoder to decoder, only which pixel of each pooling
window was the largest; the decoder puts its values back there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number, check_whole_numbers
from outtake.models.encoder import load_encoder_weights
from outtake.models.layers import make_conv_bn_relu, pad_to_stride
from outtake.models.max_unpool import max_pool_with_positions, max_unpool

DROPPED_STAGES = 3  # the deepest ones, of encoder and decoder


class SegNet(nn.Module):
    """Stages of 3x3 convolutions, each followed by pooling, and the same backwards.

    Args:
        classes: The number of classes.
        in_channels: The number of channels of the images.
        widths: The channels of each stage; the paper's are 64, 128, 256, 512, 512.
        depths: The convolutions of each stage; the paper's are 2, 2, 3, 3, 3.
        encoder_weights: None, ``imagenet`` or the path of a file of VGG-16 with batch
            normalisation, for the paper's widths and depths.
        dropout: The probability of dropout of whole channels after the three deepest stages of
            encoder and decoder: 0 in the paper, 0.5 in Bayesian SegNet (Kendall et al. 2015).
        pixel_scale: See :func:`outtake.models.encoder.load_encoder_weights`.

    Raises:
        ConfigError: Widths and depths are not equally many, or a number is not in its range.
        WeightsError: The weights are not available, or do not fit.
    """

    def __init__(
        self,
        classes: int,
        *,
        in_channels: int = 3,
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        depths: Sequence[int] = (2, 2, 3, 3, 3),
        encoder_weights: str | None = None,
        dropout: float = 0.0,
        pixel_scale: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_whole_numbers("model.widths", widths, "[64,128,256,512,512]")
        check_whole_numbers("model.depths", depths, "[2,2,3,3,3]")
        check_number("model.dropout", dropout, 0, 1)
        if len(widths) != len(depths):
            raise ConfigError(
                f"model.widths has {len(widths)} stages and model.depths {len(depths)}: "
                "give both for the same stages"
            )
        self.encoder = VGGStages(in_channels, widths, depths, dropout)
        load_encoder_weights(self.encoder, "vgg16_bn", encoder_weights, pixel_scale)
        outputs = [widths[0], *widths[:-1]]
        self.decoder = nn.ModuleList(
            _make_decoder_stage(
                width,
                out,
                depth,
                dropout if i >= len(widths) - DROPPED_STAGES else 0.0,
                finest=i == 0,
            )
            for i, (width, out, depth) in enumerate(zip(widths, outputs, depths, strict=True))
        )
        self.score = nn.Conv2d(widths[0], classes, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        height, width = image.shape[-2:]
        x, places = self.encoder(pad_to_stride(image, 2 ** len(self.decoder)))
        for i in reversed(range(len(places))):
            x = self.decoder[i](max_unpool(x, places[i]))
        logits: torch.Tensor = self.score(x)
        return logits[..., :height, :width]


class VGGStages(nn.Module):
    """Stages of convolutions with the names of torchvision's VGG with batch normalisation."""

    def __init__(
        self, in_channels: int, widths: Sequence[int], depths: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self._ends: set[int] = set()
        channels = in_channels
        for width, depth in zip(widths, depths, strict=True):
            for _ in range(depth):
                # With a bias, as torchvision has it, although the normalisation cancels it.
                convolution = nn.Conv2d(channels, width, 3, padding=1)
                layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                channels = width
            self._ends.add(len(layers))
            # In the place of the pooling, which the numbers count.
            is_deep = len(self._ends) > len(widths) - DROPPED_STAGES
            layers.append(nn.Dropout2d(dropout if is_deep else 0.0))
        self.features = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Map (B, C, H, W) to the coarsest map and the places of the maxima of each pooling."""
        places = []
        for i, layer in enumerate(self.features):
            if i in self._ends:
                x, place = max_pool_with_positions(x)
                places.append(place)
            x = layer(x)
        return x, places


def _make_decoder_stage(
    width: int, out: int, depth: int, dropout: float, *, finest: bool
) -> nn.Sequential:
    # The score layer is the last convolution of the finest stage.
    widths = [width] * depth if finest else [width] * depth + [out]
    layers = [make_conv_bn_relu(widths[i], widths[i + 1]) for i in range(len(widths) - 1)]
    return nn.Sequential(*layers, nn.Dropout2d(dropout))
