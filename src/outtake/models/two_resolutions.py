"""Parts of networks that keep a fine branch beside a coarse one: DDRNet and PIDNet.

The residual blocks of He et al., "Deep Residual Learning for Image Recognition", 2016, and the
pyramid pooling of Hong et al., "Deep Dual-resolution Networks for Real-time and Accurate Semantic
Segmentation of Road Scenes", 2021, in its two forms.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from outtake.models.layers import make_conv_bn, resize_to

_POOLS = ((5, 2), (9, 4), (17, 8))  # kernel and stride


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, or a bottleneck of three that doubles the width.

    Args:
        channels: The channels of the input.
        width: The channels of the 3x3 convolutions.
        stride: The stride of the first of them.
        bottleneck: Put the 3x3 convolution between two 1x1, the second of twice the width.
        relu: End with ReLU; the last block of a stage leaves it to whoever uses the map.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        stride: int = 1,
        bottleneck: bool = False,
        relu: bool = True,
    ) -> None:
        super().__init__()
        out = 2 * width if bottleneck else width
        if bottleneck:
            self.body = nn.Sequential(
                make_conv_bn(channels, width),
                nn.ReLU(inplace=True),
                make_conv_bn(width, width, 3, stride=stride),
                nn.ReLU(inplace=True),
                make_conv_bn(width, out),
            )
        else:
            self.body = nn.Sequential(
                make_conv_bn(channels, width, 3, stride=stride),
                nn.ReLU(inplace=True),
                make_conv_bn(width, out, 3),
            )
        keeps = stride == 1 and channels == out
        self.shortcut = nn.Identity() if keeps else make_conv_bn(channels, out, stride=stride)
        self.act = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, H, W) to (B, width or 2 * width, H / stride, W / stride)."""
        out: torch.Tensor = self.act(self.shortcut(x) + self.body(x))
        return out


def make_stage(
    channels: int, width: int, blocks: int, *, stride: int = 1, bottleneck: bool = False
) -> nn.Sequential:
    """Return residual blocks, of which the first has the stride and the last no ReLU at its end."""
    out = 2 * width if bottleneck else width
    return nn.Sequential(
        *(
            ResidualBlock(
                channels if i == 0 else out,
                width,
                stride=stride if i == 0 else 1,
                bottleneck=bottleneck,
                relu=i < blocks - 1,
            )
            for i in range(blocks)
        )
    )


def make_stem(in_channels: int, width: int) -> nn.Sequential:
    """Return two 3x3 convolutions of stride 2, with ReLU after each."""
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, stride=2, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, stride=2, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


def make_bn_relu_conv(
    channels: int, out: int, kernel: int = 1, *, groups: int = 1
) -> nn.Sequential:
    """Return batch normalisation, ReLU and a convolution without bias."""
    return nn.Sequential(
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=False),  # the map that comes in is used elsewhere too
        nn.Conv2d(channels, out, kernel, padding=kernel // 2, groups=groups, bias=False),
    )


def make_head(channels: int, width: int, classes: int) -> nn.Sequential:
    """Return a 3x3 convolution and the scores."""
    return nn.Sequential(
        make_bn_relu_conv(channels, width, 3),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, classes, 1),
    )


class PyramidPooling(nn.Module):
    """Context of growing areas of a coarse map: pooled, brought back to its size, and joined.

    Args:
        channels: The channels of the map.
        width: The channels of each area.
        out: The channels of the result.
        parallel: Bring all areas together by one grouped convolution (PAPPM of PIDNet), and not
            each by one that has seen the smaller areas before it (DAPPM of DDRNet).
    """

    def __init__(self, channels: int, width: int, out: int, *, parallel: bool) -> None:
        super().__init__()
        areas = len(_POOLS) + 1
        self.own = make_bn_relu_conv(channels, width)
        self.areas = nn.ModuleList(make_bn_relu_conv(channels, width) for _ in range(areas))
        self.parallel = parallel
        self.join = (
            make_bn_relu_conv(areas * width, areas * width, 3, groups=areas)
            if parallel
            else nn.ModuleList(make_bn_relu_conv(width, width, 3) for _ in range(areas))
        )
        self.compress = make_bn_relu_conv((areas + 1) * width, out)
        self.shortcut = make_bn_relu_conv(channels, out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, H, W) to (B, out, H, W)."""
        own = self.own(x)
        pooled = [F.avg_pool2d(x, k, s, k // 2, count_include_pad=True) for k, s in _POOLS]
        pooled.append(F.adaptive_avg_pool2d(x, 1))
        areas = [resize_to(area(each), x) for area, each in zip(self.areas, pooled, strict=True)]
        if self.parallel:
            joined = [own, self.join(torch.cat([own + each for each in areas], 1))]
        else:
            joined = [own]
            for join, each in zip(self.join, areas, strict=True):
                joined.append(join(joined[-1] + each))
        out: torch.Tensor = self.compress(torch.cat(joined, 1)) + self.shortcut(x)
        return out
