"""The UNets, SegNets and PSPNets of the library image-segmentation-keras (divamgupta, 2017-2023).

Their layers and widths are those of the library, on encoders of segmentation-models-pytorch and
timm; its FCNs are :class:`outtake.models.fcn.FCN`. What differs: inputs have any size, where the
library demands multiples of 32 or 192, and the scores, which several of its networks leave at half
or a quarter of the resolution, are enlarged bilinearly to the input's size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number, check_odd_number
from outtake.models.encoder import find_encoder_name, load_encoder_weights, make_encoder
from outtake.models.layers import (
    enlarge_scores,
    make_conv_bn_relu,
    pad_to_stride,
    resize_to,
)

_POOLED_TO = (1, 2, 3, 6)
_PYRAMID_CHANNELS = 512


class LevelEncoder(nn.Module):
    """An encoder whose maps are those of the library: one for each stride 2, 4 ... 2**levels.

    Of VGG they are after the pooling. Parts of the encoder that no level needs are left out.

    Args:
        name: See :func:`outtake.models.encoder.make_encoder`.
        in_channels: The number of channels of the images.
        weights: None, ``imagenet`` or the path of a file.
        levels: The number of maps, 2 to 5.
        stride: The stride of the coarsest map, if it is not to be 2**levels: dilation keeps it.
        pixel_scale: See :func:`outtake.models.encoder.load_encoder_weights`.

    Attributes:
        widths: The channels of each map.
    """

    def __init__(
        self,
        name: str,
        *,
        in_channels: int,
        weights: str | None,
        levels: int = 5,
        stride: int | None = None,
        pixel_scale: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        name = find_encoder_name(name)
        self._pools = name.startswith("vgg")
        encoder: Any = make_encoder(
            name, in_channels=in_channels, depth=levels - 1 if self._pools else levels
        )
        _drop_unused_layers(encoder, levels)
        load_encoder_weights(encoder, name, weights, pixel_scale)
        if stride is not None:
            try:
                encoder.make_dilated(output_stride=stride)
            except (AttributeError, ValueError) as error:
                raise ConfigError(
                    f"model.stride={stride}: encoder {name!r} has no dilated form; use null"
                ) from error
        self.encoder: nn.Module = encoder
        channels = list(encoder.out_channels)
        self.widths = channels if self._pools else channels[1:]

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Map (B, C, H, W) of sides that the coarsest stride divides to maps, finest first."""
        maps: list[torch.Tensor] = self.encoder(image)
        return [F.max_pool2d(each, 2) for each in maps] if self._pools else maps[1:]


def _drop_unused_layers(encoder: Any, levels: int) -> None:
    if hasattr(encoder, "layer4") and levels < 5:
        encoder.layer4 = nn.Identity()
    elif hasattr(encoder, "_out_indexes") and hasattr(encoder, "features"):  # VGG
        encoder.features = encoder.features[: encoder._out_indexes[levels - 1] + 1]
    elif hasattr(encoder, "model") and hasattr(encoder.model, "blocks"):  # MobileNet of timm
        module = str(encoder.model.feature_info[levels - 1]["module"])
        del encoder.model.blocks[int(module.split(".")[1]) + 1 :]


class KerasUNet(nn.Module):
    """A UNet with one convolution in each stage of the decoder, from stride 16 to stride 2.

    Args:
        classes: The number of classes.
        encoder_name: See :func:`outtake.models.encoder.make_encoder`; also ``plain``.
        encoder_weights: None, ``imagenet`` or the path of a file.
        in_channels: The number of channels of the images.
        pixel_scale: See :func:`outtake.models.encoder.load_encoder_weights`.
    """

    def __init__(
        self,
        classes: int,
        encoder_name: str = "plain",
        *,
        encoder_weights: str | None = None,
        in_channels: int = 3,
        pixel_scale: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = LevelEncoder(
            encoder_name,
            in_channels=in_channels,
            weights=encoder_weights,
            levels=4,
            pixel_scale=pixel_scale,
        )
        fine, *_, coarse = widths = self.encoder.widths
        self.bottom = _make_conv_relu_bn(coarse, 512)
        self.stages = nn.ModuleList(
            [
                _make_conv_relu_bn(512 + widths[2], 256),
                _make_conv_relu_bn(256 + widths[1], 128),
                _make_conv_relu_bn(128 + fine, 64),
            ]
        )
        self.score = nn.Conv2d(64, classes, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        padded = pad_to_stride(image, 16)
        *skips, x = self.encoder(padded)
        x = self.bottom(x)
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            x = stage(torch.cat([F.interpolate(x, scale_factor=2.0), skip], 1))
        return enlarge_scores(self.score(x), padded, image)


class KerasSegNet(nn.Module):
    """A decoder of plain convolutions between doublings, without the places of the maxima.

    As in the library, there is no activation in the decoder, and it ends at stride 2.

    Args:
        classes: The number of classes.
        encoder_name: See :func:`outtake.models.encoder.make_encoder`; also ``plain``.
        encoder_weights: None, ``imagenet`` or the path of a file.
        in_channels: The number of channels of the images.
        pixel_scale: See :func:`outtake.models.encoder.load_encoder_weights`.
    """

    def __init__(
        self,
        classes: int,
        encoder_name: str = "plain",
        *,
        encoder_weights: str | None = None,
        in_channels: int = 3,
        pixel_scale: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = LevelEncoder(
            encoder_name,
            in_channels=in_channels,
            weights=encoder_weights,
            levels=4,
            pixel_scale=pixel_scale,
        )
        layers: list[nn.Module] = []
        width = self.encoder.widths[-1]
        for out in (512, 256, 128, 64):
            layers += [nn.Conv2d(width, out, 3, padding=1), nn.BatchNorm2d(out)]
            layers += [nn.Upsample(scale_factor=2.0)] if out > 64 else []
            width = out
        self.decoder = nn.Sequential(*layers)
        self.score = nn.Conv2d(width, classes, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        padded = pad_to_stride(image, 16)
        coarsest = self.encoder(padded)[-1]
        return enlarge_scores(self.score(self.decoder(coarsest)), padded, image)


class KerasPSPNet(nn.Module):
    """Pyramid pooling of the coarsest map: Zhao et al., "Pyramid Scene Parsing Network", 2017.

    Args:
        classes: The number of classes.
        encoder_name: See :func:`outtake.models.encoder.make_encoder`; also ``plain``.
        encoder_weights: None, ``imagenet`` or the path of a file.
        in_channels: The number of channels of the images.
        stride: The stride of the map that is pooled: None is 32; 8, by dilation, is the paper's.
        join_kernel: The kernel size of the convolution after the pooling, an odd number.
        score_kernel: The kernel size of the scores, an odd number.
        dropout: The probability of dropout of whole channels before the scores.
        pixel_scale: See :func:`outtake.models.encoder.load_encoder_weights`.

    Raises:
        ConfigError: The encoder has no dilated form, or a number is not in its range.
    """

    def __init__(
        self,
        classes: int,
        encoder_name: str = "plain",
        *,
        encoder_weights: str | None = None,
        in_channels: int = 3,
        stride: int | None = None,
        join_kernel: int = 1,
        score_kernel: int = 3,
        dropout: float = 0.0,
        pixel_scale: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_odd_number("model.join_kernel", join_kernel)
        check_odd_number("model.score_kernel", score_kernel)
        check_number("model.dropout", dropout, 0, 1)
        self.encoder = LevelEncoder(
            encoder_name,
            in_channels=in_channels,
            weights=encoder_weights,
            stride=stride,
            pixel_scale=pixel_scale,
        )
        width = self.encoder.widths[-1]
        self.pyramid = nn.ModuleList(
            make_conv_bn_relu(width, _PYRAMID_CHANNELS, 1) for _ in _POOLED_TO
        )
        joined = width + len(_POOLED_TO) * _PYRAMID_CHANNELS
        self.join = make_conv_bn_relu(joined, _PYRAMID_CHANNELS, join_kernel)
        self.dropout = nn.Dropout2d(dropout)
        self.score = nn.Conv2d(_PYRAMID_CHANNELS, classes, score_kernel, padding=score_kernel // 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        padded = pad_to_stride(image, 32)
        x = self.encoder(padded)[-1]
        pooled = [
            resize_to(convolve(F.adaptive_avg_pool2d(x, cells)), like=x)
            for cells, convolve in zip(_POOLED_TO, self.pyramid, strict=True)
        ]
        scores = self.score(self.dropout(self.join(torch.cat([x, *pooled], 1))))
        return enlarge_scores(scores, padded, image)


class UNetMini(nn.Module):
    """Three resolutions of two convolutions each, without batch normalisation.

    Args:
        classes: The number of classes.
        in_channels: The number of channels of the images.
        dropout: The probability of dropout after the first convolution of each pair.

    Raises:
        ConfigError: The probability is not one.
    """

    def __init__(self, classes: int, *, in_channels: int = 3, dropout: float = 0.2) -> None:
        super().__init__()
        check_number("model.dropout", dropout, 0, 1)
        self.down = nn.ModuleList(
            _make_pair(channels, out, dropout)
            for channels, out in ((in_channels, 32), (32, 64), (64, 128))
        )
        self.up = nn.ModuleList(
            _make_pair(channels, out, dropout) for channels, out in ((128 + 64, 64), (64 + 32, 32))
        )
        self.score = nn.Conv2d(32, classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        x = padded = pad_to_stride(image, 4)
        skips: list[torch.Tensor] = []
        for pair in self.down:
            x = pair(F.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        for pair, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = pair(torch.cat([F.interpolate(x, scale_factor=2.0), skip], 1))
        return enlarge_scores(self.score(x), padded, image)


def _make_conv_relu_bn(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(inplace=True), nn.BatchNorm2d(out)
    )


def _make_pair(channels: int, out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Conv2d(out, out, 3, padding=1),
        nn.ReLU(inplace=True),
    )
