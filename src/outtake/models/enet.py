"""ENet: a network of 0.4 million parameters that shrinks the image at once.

Paszke, Chaurasia, Kim and Culurciello, "ENet: A Deep Neural Network Architecture for Real-Time
Semantic Segmentation", 2016. The encoder does nearly all of the work, at an eighth of the
resolution; the decoder puts values back where the pooling found them.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.validate import check_number
from outtake.models.layers import pad_to_stride
from outtake.models.max_unpool import max_pool_with_positions, max_unpool

# Stages 2 and 3 of table 1: (kernel of the 5x1 and 1x5 pair or 3, dilation), one after another.
_DEEP_STAGE = ((3, 1), (3, 2), (5, 1), (3, 4), (3, 1), (3, 8), (5, 1), (3, 16))


class ENet(nn.Module):
    """Bottlenecks with plain, dilated and asymmetric convolutions.

    Args:
        classes: The number of classes.
        in_channels: The number of channels of the images.
        first_dropout: The probability of dropout of whole channels in the first stage.
        dropout: The same after it.

    Raises:
        ConfigError: A probability is not one.
    """

    def __init__(
        self,
        classes: int,
        *,
        in_channels: int = 3,
        first_dropout: float = 0.01,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_number("model.first_dropout", first_dropout, 0, 1)
        check_number("model.dropout", dropout, 0, 1)
        # The image itself, pooled, is part of the first map: 13 filters beside 3 colours.
        filters = max(16 - in_channels, 8)
        finest = filters + in_channels
        self.first = nn.Conv2d(in_channels, filters, 3, stride=2, padding=1, bias=False)
        self.first_act = _normalise(finest, nn.PReLU(finest))
        self.down1 = DownBottleneck(finest, 64, first_dropout)
        self.stage1 = nn.Sequential(*(Bottleneck(64, first_dropout) for _ in range(4)))
        self.down2 = DownBottleneck(64, 128, dropout)
        self.stage2 = nn.Sequential(
            *(
                Bottleneck(128, dropout, kernel=kernel, dilation=dilation)
                for _ in range(2)
                for kernel, dilation in _DEEP_STAGE
            )
        )
        self.up4 = UpBottleneck(128, 64, dropout)
        self.stage4 = nn.Sequential(*(Bottleneck(64, dropout, decoder=True) for _ in range(2)))
        self.up5 = UpBottleneck(64, finest, dropout)
        self.stage5 = Bottleneck(finest, dropout, decoder=True)
        self.score = nn.ConvTranspose2d(finest, classes, 2, stride=2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        height, width = image.shape[-2:]
        x = pad_to_stride(image, 8)
        x = self.first_act(torch.cat([self.first(x), F.max_pool2d(x, 2)], 1))
        x, fine = self.down1(x)
        x, coarse = self.down2(self.stage1(x))
        x = self.stage4(self.up4(self.stage2(x), coarse))
        x = self.stage5(self.up5(x, fine))
        logits: torch.Tensor = self.score(x)
        return logits[..., :height, :width]


class Bottleneck(nn.Module):
    """A residual block that keeps channels and resolution.

    Args:
        channels: The number of channels; inside, a quarter of them.
        dropout: The probability of dropout of whole channels.
        kernel: 3, or 5 for a pair of 5x1 and 1x5.
        dilation: The dilation of the 3x3 convolution.
        decoder: Use ReLU, as the paper does in the decoder, and not PReLU.
    """

    def __init__(
        self,
        channels: int,
        dropout: float,
        *,
        kernel: int = 3,
        dilation: int = 1,
        decoder: bool = False,
    ) -> None:
        super().__init__()
        inner = channels // 4
        middle: list[nn.Module] = [nn.Conv2d(inner, inner, 3, padding=dilation, dilation=dilation)]
        if kernel == 5:
            middle = [
                nn.Conv2d(inner, inner, (5, 1), padding=(2, 0), bias=False),
                nn.Conv2d(inner, inner, (1, 5), padding=(0, 2)),
            ]
        self.body = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            _normalise(inner, _activation(inner, decoder)),
            *middle,
            _normalise(inner, _activation(inner, decoder)),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.Dropout2d(dropout),
        )
        self.act = _activation(channels, decoder)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, H, W) to the same shape."""
        out: torch.Tensor = self.act(x + self.body(x))
        return out


class DownBottleneck(nn.Module):
    """A residual block that halves the resolution; the shortcut pools and adds empty channels."""

    def __init__(self, channels: int, out: int, dropout: float) -> None:
        super().__init__()
        inner = out // 4
        self._new = out - channels
        self.body = nn.Sequential(
            nn.Conv2d(channels, inner, 2, stride=2, bias=False),
            _normalise(inner, nn.PReLU(inner)),
            nn.Conv2d(inner, inner, 3, padding=1),
            _normalise(inner, nn.PReLU(inner)),
            nn.Conv2d(inner, out, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.Dropout2d(dropout),
        )
        self.act = nn.PReLU(out)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (B, channels, H, W) to (B, out, H/2, W/2) and the places of the maxima of ``x``."""
        pooled, place = max_pool_with_positions(x)
        shortcut = F.pad(pooled, (0, 0, 0, 0, 0, self._new))
        return self.act(shortcut + self.body(x)), place


class UpBottleneck(nn.Module):
    """A residual block that doubles the resolution; the shortcut puts values back in places."""

    def __init__(self, channels: int, out: int, dropout: float) -> None:
        super().__init__()
        inner = channels // 4
        self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))
        self.body = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            _normalise(inner, nn.ReLU(inplace=True)),
            nn.ConvTranspose2d(inner, inner, 2, stride=2),
            _normalise(inner, nn.ReLU(inplace=True)),
            nn.Conv2d(inner, out, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.Dropout2d(dropout),
        )
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, H, W) and places (B, out, H, W) to (B, out, 2H, 2W)."""
        out: torch.Tensor = self.act(max_unpool(self.shortcut(x), place) + self.body(x))
        return out


def _activation(channels: int, decoder: bool) -> nn.Module:
    return nn.ReLU(inplace=True) if decoder else nn.PReLU(channels)


def _normalise(channels: int, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), activation)
