"""Fully convolutional networks: FCN-32s, FCN-16s and FCN-8s on any encoder.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number, check_odd_number
from outtake.models.encoder import make_encoder
from outtake.models.layers import make_upsample, pad_to_stride

UPSAMPLING = ("frozen", "learned")


class FCN(nn.Module):
    """Scores the encoder's last map, adds the scores of finer maps, and upsamples.

    Args:
        classes: The number of classes.
        encoder_name: See :func:`outtake.models.encoder.make_encoder`.
        stride: The stride of the finest map that is scored: 32, 16 or 8.
        encoder_weights: None, ``imagenet`` or the path of a file.
        in_channels: The number of channels of the images.
        upsampling: ``learned`` starts as bilinear and is trained; ``frozen`` stays bilinear.
        fc_channels: The width of the paper's fc6 and fc7 between encoder and score (4096 in the
            paper); None scores the encoder's map directly, which modern encoders do as well.
        fc_kernel: The kernel size of fc6, an odd number, 7 in the paper.
        dropout: The probability of dropout before the score layer.
        pixel_scale: See :func:`outtake.models.encoder.load_encoder_weights`.

    Raises:
        ConfigError: The stride, the upsampling or the encoder does not exist, or a number is not in
            its range.
        WeightsError: The weights are not available, or do not fit.
    """

    def __init__(
        self,
        classes: int,
        encoder_name: str = "resnet18",
        *,
        stride: int = 8,
        encoder_weights: str | None = None,
        in_channels: int = 3,
        upsampling: str = "learned",
        fc_channels: int | None = None,
        fc_kernel: int = 7,
        dropout: float = 0.1,
        pixel_scale: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if stride not in (8, 16, 32):
            raise ConfigError(f"model.stride={stride}: allowed are 8, 16 and 32")
        if upsampling not in UPSAMPLING:
            raise ConfigError(f"model.upsampling={upsampling}: allowed are {', '.join(UPSAMPLING)}")
        check_number("model.fc_channels", fc_channels, 1, whole=True, optional=True)
        check_odd_number("model.fc_kernel", fc_kernel)
        check_number("model.dropout", dropout, 0, 1)
        encoder: Any = make_encoder(
            encoder_name, in_channels=in_channels, weights=encoder_weights, pixel_scale=pixel_scale
        )
        self.encoder: nn.Module = encoder
        widths: list[int] = list(encoder.out_channels)
        # The paper's pool3 and pool4 are after the pooling; smp's VGG gives the maps before it.
        self._pool = encoder_name.startswith("vgg")
        self._skips = {32: 0, 16: 1, 8: 2}[stride]
        indices = [3, 2] if self._pool else [4, 3]
        self._indices = indices[: self._skips]
        self.fc = _make_fully_connected(widths[-1], fc_channels, fc_kernel, dropout)
        self.score = nn.Conv2d(fc_channels or widths[-1], classes, 1)
        self.skip_scores = nn.ModuleList(
            nn.Conv2d(widths[index], classes, 1) for index in self._indices
        )
        self.up = nn.ModuleList(make_upsample(upsampling, classes, 2) for _ in self._indices)
        self.up_final = make_upsample(upsampling, classes, stride)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W); padded to stride 32 inside."""
        height, width = image.shape[-2:]
        features = self.encoder(pad_to_stride(image, 32))
        score = self.score(self.fc(features[-1]))
        for index, skip_score, up in zip(self._indices, self.skip_scores, self.up, strict=True):
            skip = F.max_pool2d(features[index], 2) if self._pool else features[index]
            score = up(score) + skip_score(skip)
        logits: torch.Tensor = self.up_final(score)
        return logits[..., :height, :width]


def _make_fully_connected(
    width: int, channels: int | None, kernel: int, dropout: float
) -> nn.Module:
    if channels is None:
        return nn.Dropout2d(dropout)
    return nn.Sequential(
        nn.Conv2d(width, channels, kernel, padding=kernel // 2),
        nn.ReLU(inplace=True),
        nn.Dropout2d(dropout),
        nn.Conv2d(channels, channels, 1),
        nn.ReLU(inplace=True),
        nn.Dropout2d(dropout),
    )
