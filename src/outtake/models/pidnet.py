"""PIDNet-S: branches for detail, context and boundaries, in which boundaries decide between both.

Xu, Xiong and Bhattacharyya, "PIDNet: A Real-time Semantic Segmentation Network Inspired by PID
Controllers", 2023.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.validate import check_number
from outtake.models.layers import enlarge_scores, make_conv_bn, pad_to_stride, resize_to
from outtake.models.training_logits import BOUNDARY, TrainingLogits
from outtake.models.two_resolutions import (
    PyramidPooling,
    make_head,
    make_stage,
    make_stem,
)

STRIDE = 64


class PIDNet(nn.Module):
    """Three branches; context flows into the two fine ones, and boundaries weigh them at the end.

    In training it has an auxiliary head on the detail branch, ``detail``, and one on the boundary
    branch.

    Args:
        classes: The number of classes.
        in_channels: The number of channels of the images.
        width: The channels of the first stage: 32 in PIDNet-S, 64 in PIDNet-M.
        pooling_channels: The channels of each area of the pyramid pooling.
        head_channels: The channels of the heads on the detail branch and on the result.

    Attributes:
        training_heads: The names of the heads for training.

    Raises:
        ConfigError: A number is not in its range.
    """

    training_heads = ("detail", BOUNDARY)

    def __init__(
        self,
        classes: int,
        *,
        in_channels: int = 3,
        width: int = 32,
        pooling_channels: int = 96,
        head_channels: int = 128,
    ) -> None:
        super().__init__()
        check_number("model.width", width, 1, whole=True)
        check_number("model.pooling_channels", pooling_channels, 1, whole=True)
        check_number("model.head_channels", head_channels, 1, whole=True)
        fine, out = 2 * width, 4 * width
        self.stem = make_stem(in_channels, width)
        self.stage1 = make_stage(width, width, 2)
        self.stage2 = make_stage(width, fine, 2, stride=2)
        self.context3 = make_stage(fine, 4 * width, 3, stride=2)
        self.context4 = make_stage(4 * width, 8 * width, 3, stride=2)
        self.context5 = make_stage(8 * width, 8 * width, 2, stride=2, bottleneck=True)
        self.detail3 = make_stage(fine, fine, 2)
        self.detail4 = make_stage(fine, fine, 2)
        self.detail5 = make_stage(fine, fine, 1, bottleneck=True)
        self.boundary3 = make_stage(fine, width, 1)
        self.boundary4 = make_stage(width, width, 1, bottleneck=True)
        self.boundary5 = make_stage(fine, fine, 1, bottleneck=True)
        self.to_detail3 = make_conv_bn(4 * width, fine)
        self.to_detail4 = make_conv_bn(8 * width, fine)
        self.guide3, self.guide4 = GuidedFusion(fine, width), GuidedFusion(fine, width)
        self.to_boundary3 = make_conv_bn(4 * width, width, 3)
        self.to_boundary4 = make_conv_bn(8 * width, fine, 3)
        self.pooling = PyramidPooling(16 * width, pooling_channels, out, parallel=True)
        self.fusion = BoundaryFusion(out)
        self.head = make_head(out, head_channels, classes)
        self.auxiliary_heads = nn.ModuleDict(
            {
                "detail": make_head(fine, head_channels, classes),
                BOUNDARY: make_head(fine, width, 1),
            }
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor | TrainingLogits:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        padded = pad_to_stride(image, STRIDE)
        x = F.relu(self.stage2(F.relu(self.stage1(self.stem(padded)))))
        detail, edge = self.detail3(x), self.boundary3(x)
        context = F.relu(self.context3(x))
        detail = self.guide3(detail, self.to_detail3(context))
        edge = edge + resize_to(self.to_boundary3(context), edge)
        first_detail = detail
        context = F.relu(self.context4(context))
        detail = self.guide4(self.detail4(F.relu(detail)), self.to_detail4(context))
        edge = self.boundary4(F.relu(edge))
        edge = edge + resize_to(self.to_boundary4(context), edge)
        first_edge = edge
        detail, edge = self.detail5(F.relu(detail)), self.boundary5(F.relu(edge))
        context = resize_to(self.pooling(self.context5(context)), detail)
        logits = self.head(self.fusion(detail, context, edge))
        logits = enlarge_scores(logits, padded, image)
        if not self.training:
            return logits
        heads = self.auxiliary_heads
        scored = heads["detail"](first_detail), heads[BOUNDARY](first_edge)
        auxiliary, boundary = (enlarge_scores(each, padded, image) for each in scored)
        return TrainingLogits(logits, {"detail": auxiliary}, boundary)


class GuidedFusion(nn.Module):
    """Adds context to detail where both describe the same thing (section 3.2 of the paper).

    Args:
        channels: The channels of both maps.
        width: The channels in which they are compared.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.of_detail = make_conv_bn(channels, width)
        self.of_context = make_conv_bn(channels, width)

    def forward(self, detail: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Map detail (B, channels, H, W) and context (B, channels, h, w) to detail's shape."""
        asked = resize_to(self.of_context(context), detail)
        share = (self.of_detail(detail) * asked).sum(1, keepdim=True).sigmoid()
        fused: torch.Tensor = (1 - share) * detail + share * resize_to(context, detail)
        return fused


class BoundaryFusion(nn.Module):
    """Takes detail near boundaries and context elsewhere (section 3.4, the light form).

    Args:
        channels: The channels of all three maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.of_detail = make_conv_bn(channels, channels)
        self.of_context = make_conv_bn(channels, channels)

    def forward(
        self, detail: torch.Tensor, context: torch.Tensor, edge: torch.Tensor
    ) -> torch.Tensor:
        """Map three maps (B, channels, H, W) to one of that shape."""
        near = edge.sigmoid()
        fused: torch.Tensor = self.of_detail(detail + (1 - near) * context) + self.of_context(
            context + near * detail
        )
        return fused
