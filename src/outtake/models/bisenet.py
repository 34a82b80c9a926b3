"""BiSeNet V2: a wide and shallow branch for detail, a narrow and deep one for meaning.

Yu, Gao, Wang, Yu, Shen and Sang, "BiSeNet V2: Bilateral Network with Guided Aggregation for
Real-time Semantic Segmentation", 2021.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.validate import check_number
from outtake.models.layers import (
    enlarge_scores,
    make_conv_bn,
    make_conv_bn_relu,
    pad_to_stride,
    resize_to,
)
from outtake.models.training_logits import TrainingLogits

STRIDE = 32


class BiSeNetV2(nn.Module):
    """Two branches that never meet before their end, where each weighs the other.

    In training it has four auxiliary heads, on the stages of the deep branch: ``stride4``,
    ``stride8``, ``stride16`` and ``stride32``.

    Args:
        classes: The number of classes.
        in_channels: The number of channels of the images.
        expansion: The factor by which the blocks of the deep branch widen inside.
        head_channels: The channels of the head.
        auxiliary_channels: The channels of the heads for training.
        dropout: The probability of dropout of whole channels in all heads.

    Attributes:
        training_heads: The names of the heads for training.

    Raises:
        ConfigError: A number is not in its range.
    """

    training_heads = ("stride4", "stride8", "stride16", "stride32")

    def __init__(
        self,
        classes: int,
        *,
        in_channels: int = 3,
        expansion: int = 6,
        head_channels: int = 1024,
        auxiliary_channels: int = 128,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_number("model.expansion", expansion, 1, whole=True)
        check_number("model.head_channels", head_channels, 1, whole=True)
        check_number("model.auxiliary_channels", auxiliary_channels, 1, whole=True)
        check_number("model.dropout", dropout, 0, 1)
        self.detail = nn.Sequential(
            make_conv_bn_relu(in_channels, 64, stride=2),
            make_conv_bn_relu(64, 64),
            make_conv_bn_relu(64, 64, stride=2),
            make_conv_bn_relu(64, 64),
            make_conv_bn_relu(64, 64),
            make_conv_bn_relu(64, 128, stride=2),
            make_conv_bn_relu(128, 128),
            make_conv_bn_relu(128, 128),
        )
        self.stem = StemBlock(in_channels, 16)
        widths = {"stride4": 16, "stride8": 32, "stride16": 64, "stride32": 128}
        self.stages = nn.ModuleDict(
            {
                "stride8": _make_gather_stage(16, 32, 2, expansion),
                "stride16": _make_gather_stage(32, 64, 2, expansion),
                "stride32": _make_gather_stage(64, 128, 4, expansion),
            }
        )
        self.context = ContextEmbedding(128)
        self.aggregate = GuidedAggregation(128)
        self.head = _make_head(128, head_channels, classes, dropout)
        self.auxiliary_heads = nn.ModuleDict(
            {
                name: _make_head(width, auxiliary_channels, classes, dropout)
                for name, width in widths.items()
            }
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor | TrainingLogits:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        padded = pad_to_stride(image, STRIDE)
        x = self.stem(padded)
        maps = {"stride4": x}
        for name, stage in self.stages.items():
            maps[name] = x = stage(x)
        scores = self.head(self.aggregate(self.detail(padded), self.context(x)))
        logits = enlarge_scores(scores, padded, image)
        if not self.training:
            return logits
        auxiliary = {
            name: enlarge_scores(head(maps[name]), padded, image)
            for name, head in self.auxiliary_heads.items()
        }
        return TrainingLogits(logits, auxiliary)


class StemBlock(nn.Module):
    """Shrinks the image by 4, by convolution and by pooling side by side."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.first = make_conv_bn_relu(in_channels, width, stride=2)
        self.strided = nn.Sequential(
            make_conv_bn_relu(width, width // 2, 1),
            make_conv_bn_relu(width // 2, width, stride=2),
        )
        self.pooled = nn.MaxPool2d(3, stride=2, padding=1)
        self.join = make_conv_bn_relu(2 * width, width)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, width, H/4, W/4)."""
        x = self.first(image)
        out: torch.Tensor = self.join(torch.cat([self.strided(x), self.pooled(x)], 1))
        return out


class GatherExpansion(nn.Module):
    """A residual block whose depthwise convolution works on many more channels than it has.

    Args:
        channels: The channels of the input.
        out: The channels of the output; the same at stride 1.
        stride: 1 or 2.
        expansion: The factor by which the block widens inside.
    """

    def __init__(self, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = expansion * channels
        depthwise = [make_conv_bn(channels, inner, 3, stride=stride, groups=channels)]
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2:
            depthwise.append(make_conv_bn(inner, inner, 3, groups=inner))
            self.shortcut = nn.Sequential(
                make_conv_bn(channels, channels, 3, stride=2, groups=channels),
                make_conv_bn(channels, out),
            )
        depthwise[-1].append(nn.ReLU(inplace=True))
        self.body = nn.Sequential(
            make_conv_bn_relu(channels, channels), *depthwise, make_conv_bn(inner, out)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, H, W) to (B, out, H / stride, W / stride)."""
        return F.relu(self.shortcut(x) + self.body(x))


class ContextEmbedding(nn.Module):
    """Adds the mean of the whole map to every pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm2d(channels)
        self.of_mean = make_conv_bn_relu(channels, channels, 1)
        self.out = make_conv_bn_relu(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, H, W) to the same shape."""
        mean = self.of_mean(self.normalise(F.adaptive_avg_pool2d(x, 1)))
        out: torch.Tensor = self.out(x + mean)
        return out


class GuidedAggregation(nn.Module):
    """Joins detail at stride 8 and meaning at stride 32: each is weighed by a map of the other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.detail_fine = _make_separable(channels)
        self.detail_coarse = nn.Sequential(
            make_conv_bn(channels, channels, 3, stride=2),
            nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        )
        self.deep_fine = make_conv_bn(channels, channels, 3)
        self.deep_coarse = _make_separable(channels)
        self.join = make_conv_bn(channels, channels, 3)

    def forward(self, detail: torch.Tensor, deep: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, H, W) and (B, channels, H/4, W/4) to (B, channels, H, W)."""
        weight = resize_to(self.deep_fine(deep), detail).sigmoid()
        fine = self.detail_fine(detail) * weight
        coarse = self.detail_coarse(detail) * self.deep_coarse(deep).sigmoid()
        out: torch.Tensor = self.join(fine + resize_to(coarse, detail))
        return out


def _make_gather_stage(channels: int, out: int, blocks: int, expansion: int) -> nn.Sequential:
    rest = (GatherExpansion(out, out, 1, expansion) for _ in range(blocks - 1))
    return nn.Sequential(GatherExpansion(channels, out, 2, expansion), *rest)


def _make_separable(channels: int) -> nn.Sequential:
    return nn.Sequential(
        make_conv_bn(channels, channels, 3, groups=channels), nn.Conv2d(channels, channels, 1)
    )


def _make_head(channels: int, width: int, classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        make_conv_bn_relu(channels, width), nn.Dropout2d(dropout), nn.Conv2d(width, classes, 1)
    )
