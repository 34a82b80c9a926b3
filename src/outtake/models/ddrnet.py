"""DDRNet-23-slim: a coarse branch for context beside one that stays at an eighth of the image.

Hong, Pan, Sun and Jia, "Deep Dual-resolution Networks for Real-time and Accurate Semantic
Segmentation of Road Scenes", 2021. The branches exchange their maps twice.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.validate import check_number
from outtake.models.layers import enlarge_scores, make_conv_bn, pad_to_stride, resize_to
from outtake.models.training_logits import TrainingLogits
from outtake.models.two_resolutions import (
    PyramidPooling,
    make_head,
    make_stage,
    make_stem,
)

STRIDE = 64


class DDRNet(nn.Module):
    """Two branches with two exchanges, and pyramid pooling at the end of the coarse one.

    In training it has one auxiliary head, ``fine``, on the fine branch after the first exchange.

    Args:
        classes: The number of classes.
        in_channels: The number of channels of the images.
        width: The channels of the first stage: 32 in 23-slim, 64 in 23.
        pooling_channels: The channels of each area of the pyramid pooling.
        head_channels: The channels of the heads: 64 in 23-slim, 128 in 23.

    Attributes:
        training_heads: The names of the heads for training.

    Raises:
        ConfigError: A number is not in its range.
    """

    training_heads = ("fine",)

    def __init__(
        self,
        classes: int,
        *,
        in_channels: int = 3,
        width: int = 32,
        pooling_channels: int = 128,
        head_channels: int = 64,
    ) -> None:
        super().__init__()
        check_number("model.width", width, 1, whole=True)
        check_number("model.pooling_channels", pooling_channels, 1, whole=True)
        check_number("model.head_channels", head_channels, 1, whole=True)
        fine = 2 * width
        self.stem = make_stem(in_channels, width)
        self.stage1 = make_stage(width, width, 2)
        self.stage2 = make_stage(width, fine, 2, stride=2)
        self.coarse3 = make_stage(fine, 4 * width, 2, stride=2)
        self.coarse4 = make_stage(4 * width, 8 * width, 2, stride=2)
        self.coarse5 = make_stage(8 * width, 8 * width, 1, stride=2, bottleneck=True)
        self.fine3 = make_stage(fine, fine, 2)
        self.fine4 = make_stage(fine, fine, 2)
        self.fine5 = make_stage(fine, fine, 1, bottleneck=True)
        self.up3 = make_conv_bn(4 * width, fine)
        self.up4 = make_conv_bn(8 * width, fine)
        self.down3 = make_conv_bn(fine, 4 * width, 3, stride=2)
        self.down4 = nn.Sequential(
            make_conv_bn(fine, 4 * width, 3, stride=2),
            nn.ReLU(inplace=True),
            make_conv_bn(4 * width, 8 * width, 3, stride=2),
        )
        self.pooling = PyramidPooling(16 * width, pooling_channels, 2 * fine, parallel=False)
        self.head = make_head(2 * fine, head_channels, classes)
        self.auxiliary_heads = nn.ModuleDict({"fine": make_head(fine, head_channels, classes)})

    def forward(self, image: torch.Tensor) -> torch.Tensor | TrainingLogits:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        padded = pad_to_stride(image, STRIDE)
        x = F.relu(self.stage2(F.relu(self.stage1(self.stem(padded)))))
        coarse, fine = self.coarse3(x), self.fine3(x)
        coarse, fine = self._exchange(coarse, fine, self.down3, self.up3)
        first = fine
        coarse, fine = self.coarse4(F.relu(coarse)), self.fine4(F.relu(fine))
        coarse, fine = self._exchange(coarse, fine, self.down4, self.up4)
        coarse, fine = self.coarse5(F.relu(coarse)), self.fine5(F.relu(fine))
        logits = self.head(fine + resize_to(self.pooling(coarse), fine))
        logits = enlarge_scores(logits, padded, image)
        if not self.training:
            return logits
        auxiliary = enlarge_scores(self.auxiliary_heads["fine"](first), padded, image)
        return TrainingLogits(logits, {"fine": auxiliary})

    @staticmethod
    def _exchange(
        coarse: torch.Tensor, fine: torch.Tensor, down: nn.Module, up: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return (
            coarse + down(F.relu(fine)),
            fine + resize_to(up(F.relu(coarse)), fine),
        )
