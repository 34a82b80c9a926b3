"""The networks of torchvision.models.segmentation: FCN, DeepLab V3 and LR-ASPP.

Long et al. 2015 and Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation",
2017, on dilated encoders; Howard et al., "Searching for MobileNetV3", 2019.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torchvision.models import segmentation

from outtake.core.errors import ConfigError
from outtake.core.validate import check_flag
from outtake.models.layers import enlarge_scores, pad_to_stride
from outtake.models.training_logits import TrainingLogits

ARCHITECTURES = (
    "fcn_resnet50",
    "fcn_resnet101",
    "deeplabv3_resnet50",
    "deeplabv3_resnet101",
    "deeplabv3_mobilenet_v3_large",
    "lraspp_mobilenet_v3_large",
)
AUXILIARY = "stage3"


class TorchvisionNet(nn.Module):
    """A network of torchvision.

    Its weights have torchvision's names, so that ``init_from`` takes a file of torchvision's own.
    Its auxiliary head, on the map before the last stage, is the head ``stage3`` in training
    (:mod:`outtake.models.training_logits`) and is not run in evaluation.

    Args:
        architecture: One of ``ARCHITECTURES``.
        classes: The number of classes.
        in_channels: The number of channels of the images.
        auxiliary: Whether there is an auxiliary head; LR-ASPP has none.

    Attributes:
        training_heads: The names of the heads for training.

    Raises:
        ConfigError: There is no such architecture, or it has no auxiliary head.
    """

    def __init__(
        self,
        architecture: str,
        classes: int,
        *,
        in_channels: int = 3,
        auxiliary: bool = True,
    ) -> None:
        super().__init__()
        if architecture not in ARCHITECTURES:
            raise ConfigError(
                f"model.architecture={architecture}: allowed are {', '.join(ARCHITECTURES)}"
            )
        check_flag("model.auxiliary", auxiliary)
        if auxiliary and architecture.startswith("lraspp"):
            raise ConfigError(f"model.auxiliary=true: {architecture} has no such head; use false")
        options: dict[str, Any] = {"aux_loss": True} if auxiliary else {}
        net: Any = getattr(segmentation, architecture)(
            weights=None, weights_backbone=None, num_classes=classes, **options
        )
        if in_channels != 3:
            _widen_first_convolution(net.backbone, in_channels)
        self.backbone: nn.Module = net.backbone
        self.classifier: nn.Module = net.classifier
        if auxiliary:
            self.aux_classifier: nn.Module = net.aux_classifier
        self.training_heads = (AUXILIARY,) if auxiliary else ()
        self._takes_all_maps = architecture.startswith("lraspp")

    def forward(self, image: torch.Tensor) -> torch.Tensor | TrainingLogits:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        padded = pad_to_stride(image, 32)
        maps = self.backbone(padded)
        scores = self.classifier(maps if self._takes_all_maps else maps["out"])
        logits = enlarge_scores(scores, padded, image)
        if not (self.training and self.training_heads):
            return logits
        auxiliary = enlarge_scores(self.aux_classifier(maps["aux"]), padded, image)
        return TrainingLogits(logits, {AUXILIARY: auxiliary})


def _widen_first_convolution(backbone: nn.Module, in_channels: int) -> None:
    first = next(each for each in backbone.modules() if isinstance(each, nn.Conv2d))
    first.in_channels = in_channels
    shape = (first.out_channels, in_channels, *first.kernel_size)
    first.weight = nn.Parameter(torch.empty(shape))
    first.reset_parameters()
