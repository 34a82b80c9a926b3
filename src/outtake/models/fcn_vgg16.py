"""FCN-32s, FCN-16s and FCN-8s on VGG-16 exactly as in the paper.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015;
layers, their names, padding, crops and scales are those of the authors' networks for Caffe. The
networks of :mod:`outtake.models.fcn` have the same idea on any encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.core.validate import check_flag, check_number, is_number
from outtake.models.classifier_weights import VGG16_LAYOUTS, load_classifier
from outtake.models.layers import BilinearTransposedConvolution
from outtake.models.map_geometry import IMAGE, MapGeometry, crop

PADDING_PX = 100  # of the first convolution: fc6 has no padding, and needs a map of 7x7 at least
# The number of filters of each convolution, block by block; each block ends with a pooling.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
FC_CHANNELS, FC6_KERNEL = 4096, 7
AT_ONCE_SCALES = {"pool4": 0.01, "pool3": 0.0001}


class FCNVGG16(nn.Module):
    """The paper's network on VGG-16.

    fc6 and fc7 are convolutions, score layers start at zero, upsampling is bilinear and frozen.
    Dropout is of single values, as in Caffe. Without weights to begin from, the convolutions start
    as in He et al. 2015: the authors always began from a trained VGG-16.

    Args:
        classes: The number of classes.
        stride: The stride of the finest map that is scored: 32, 16 or 8.
        at_once: Whether pool4 and pool3 are scaled by 0.01 and 0.0001 before they are scored, so
            that all of FCN-8s can be trained at once and not stage by stage.
        encoder_weights: None, or the file of a VGG-16 in the layout of torchvision or Caffe.
        weights_pixels: What values the filters of that file were learnt on, see
            :func:`outtake.models.classifier_weights.load_classifier`.
        in_channels: The number of channels of the images.
        width: How many filters each layer has, as a share of the published number.
        dropout: The probability of dropout after fc6 and fc7.
        pixel_scale: The fields of :class:`outtake.models.normalisation.PixelScale`, which the
            first filters of the file are converted to; None leaves them as they are.

    Raises:
        ConfigError: The stride does not exist, or has nothing to train at once; or a number is not
            in its range.
        WeightsError: The file is missing or does not fit.
    """

    def __init__(
        self,
        classes: int,
        *,
        stride: int = 32,
        at_once: bool = False,
        encoder_weights: str | None = None,
        weights_pixels: str = "auto",
        in_channels: int = 3,
        width: float = 1.0,
        dropout: float = 0.5,
        pixel_scale: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if stride not in (8, 16, 32):
            raise ConfigError(f"model.stride={stride}: allowed are 8, 16 and 32")
        check_flag("model.at_once", at_once)
        if at_once and stride != 8:
            raise ConfigError(f"model.at_once=true with model.stride={stride}: only 8 has it")
        check_number("model.dropout", dropout, 0, 1)
        self._dropout = dropout
        self._names = [
            [f"conv{block}_{layer}" for layer in range(1, len(filters) + 1)]
            for block, filters in enumerate(BLOCKS, 1)
        ]
        given = in_channels
        for names, filters in zip(self._names, BLOCKS, strict=True):
            for name, published in zip(names, filters, strict=True):
                channels = scale_width(published, width)
                padding = PADDING_PX if name == "conv1_1" else 1
                self.add_module(name, nn.Conv2d(given, channels, 3, padding=padding))
                given = channels
        hidden = scale_width(FC_CHANNELS, width)
        self.fc6 = nn.Conv2d(given, hidden, FC6_KERNEL)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        initialise_convolutions(self)
        self.score_fr = make_zero_score(hidden, classes)
        self._scales = AT_ONCE_SCALES if at_once else {}
        self._skips = {32: (), 16: ("pool4",), 8: ("pool4", "pool3")}[stride]
        self._add_upsampling(classes, stride, width)
        load_classifier(self, encoder_weights, VGG16_LAYOUTS, weights_pixels, pixel_scale)

    def _add_upsampling(self, classes: int, stride: int, width: float) -> None:
        """Add a score layer for each skip, and the geometry that says where maps are cropped."""
        pools = _pool_geometry()
        geometry = pools["pool5"].convolve(FC6_KERNEL)
        self.crop_offsets: dict[str, int] = {}
        for skip in self._skips:
            block = BLOCKS[int(skip[-1]) - 1]
            self.add_module(
                f"score_{skip}", make_zero_score(scale_width(block[-1], width), classes)
            )
            geometry = geometry.upsample(4, 2)
            self.crop_offsets[skip] = pools[skip].offset_of(geometry)
        self.up2 = BilinearTransposedConvolution(2, 4)
        self.up_final = BilinearTransposedConvolution(stride, 2 * stride)
        self.crop_offsets["image"] = geometry.upsample(2 * stride, stride).offset_of(IMAGE)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        x, pools = image, {}
        for number, names in enumerate(self._names, 1):
            for name in names:
                x = F.relu(self.get_submodule(name)(x), inplace=True)
            pools[f"pool{number}"] = x = F.max_pool2d(x, 2, ceil_mode=True)
        for layer in (self.fc6, self.fc7):
            x = F.dropout(F.relu(layer(x), inplace=True), self._dropout, self.training)
        score: torch.Tensor = self.score_fr(x)
        for skip in self._skips:
            score = self.up2(score)
            pool = pools[skip] * self._scales[skip] if self._scales else pools[skip]
            skipped = self.get_submodule(f"score_{skip}")(pool)
            score = score + crop(skipped, self.crop_offsets[skip], like=score)
        return crop(self.up_final(score), self.crop_offsets["image"], like=image)


def scale_width(published: int, width: float) -> int:
    """Return a number of filters, at least one.

    Raises:
        ConfigError: The share is no number above 0.
    """
    if not (is_number(width) and width > 0):
        raise ConfigError(f"model.width={width}: must be above 0, as a share of the published")
    return max(1, round(published * width))


def make_zero_score(channels: int, classes: int) -> nn.Conv2d:
    """Return a 1x1 convolution to class scores whose weights are zero."""
    score = nn.Conv2d(channels, classes, 1)
    nn.init.zeros_(score.weight)
    assert score.bias is not None
    nn.init.zeros_(score.bias)
    return score


def initialise_convolutions(net: nn.Module) -> None:
    """Draw the weights of all convolutions anew as in He et al. 2015; biases are zero."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _pool_geometry() -> dict[str, MapGeometry]:
    geometry = IMAGE.convolve(3, padding=PADDING_PX)
    pools = {}
    # The other convolutions keep their map's place.
    for number in range(1, len(BLOCKS) + 1):
        pools[f"pool{number}"] = geometry = geometry.convolve(2, 2)
    return pools
