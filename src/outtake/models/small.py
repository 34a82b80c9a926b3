"""A U-Net of 0.27 million weights that never works at full resolution, for few labelled frames.

Pixels go into channels first and come back out of them at the end (Shi et al. 2016, "Real-Time
Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network").
In between it is the U-Net of Ronneberger, Fischer and Brox (2015), with skips that are added.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from outtake.core.validate import check_number, check_whole_numbers
from outtake.models.layers import make_conv_bn_relu, pad_to_stride, resize_to


class SmallUNet(nn.Module):
    """Two convolutions at each resolution from a half downwards, and one at each on the way up.

    Args:
        classes: The number of classes.
        in_channels: The number of channels of the images.
        widths: The number of channels at 1/2, 1/4, 1/8 ... of the resolution.
        leak: The slope below 0 of the activation before the scores, 0 for a ReLU. With a ReLU a
            class may come to be told by features that are off; its logit is then the score's bias,
            which moves a step of the optimizer at a time.

    Raises:
        ConfigError: There is no width, or one that is not positive; or the slope is out of range.
    """

    def __init__(
        self,
        classes: int,
        *,
        in_channels: int = 3,
        widths: Sequence[int] = (16, 32, 64, 96),
        leak: float = 0.0,
    ) -> None:
        super().__init__()
        check_number("model.leak", leak, 0, 1)
        check_whole_numbers("model.widths", widths, "[16,32,64,96]")
        self.stride = 2 ** len(widths)
        self.unshuffle = nn.PixelUnshuffle(2)
        before = (4 * in_channels, *widths[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(
                make_conv_bn_relu(given, width, stride=1 if level == 0 else 2),
                make_conv_bn_relu(width, width),
            )
            for level, (given, width) in enumerate(zip(before, widths, strict=True))
        )
        finer = list(zip(widths[1:], widths[:-1], strict=True))[::-1]
        self.narrow = nn.ModuleList(nn.Conv2d(deep, width, 1, bias=False) for deep, width in finer)
        ups = [make_conv_bn_relu(width, width) for _, width in finer]
        if ups and leak:
            ups[-1][-1] = nn.LeakyReLU(leak, inplace=True)
        self.up = nn.ModuleList(ups)
        self.score = nn.Sequential(
            nn.Conv2d(widths[0], 4 * classes, 3, padding=1), nn.PixelShuffle(2)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W), for any H and W."""
        height, width = image.shape[-2:]
        x = self.unshuffle(pad_to_stride(image, self.stride))
        skips = []
        for level in self.down:
            x = level(x)
            skips.append(x)
        for narrow, up, skip in zip(self.narrow, self.up, skips[-2::-1], strict=True):
            # Narrowed before it is enlarged, which is the same and a quarter of the work.
            x = up(skip + resize_to(narrow(x), skip))
        logits: torch.Tensor = self.score(x)
        return logits[..., :height, :width]
