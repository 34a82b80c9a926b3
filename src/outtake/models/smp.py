"""Every architecture of segmentation-models-pytorch, for images of any size."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import segmentation_models_pytorch
import torch
from torch import nn

from outtake.core.errors import ConfigError
from outtake.models.encoder import check_encoder_name, load_encoder_weights
from outtake.models.layers import pad_to_stride


class SmpNet(nn.Module):
    """A network of segmentation-models-pytorch that takes any input size.

    Args:
        architecture: The name of the architecture in smp: ``unet``, ``fpn``, ``deeplabv3plus`` ...
        classes: The number of classes.
        encoder_name: See :func:`outtake.models.encoder.make_encoder`.
        encoder_weights: None, ``imagenet`` or the path of a file.
        in_channels: The number of channels of the images.
        options: Other arguments of the architecture's constructor.

    Raises:
        ConfigError: The architecture or encoder is unknown, or the architecture refuses an option.
    """

    STRIDE = 32
    # PAN pools the encoder's last map three times, which takes 8x8 of it.
    MIN_SIDE = MappingProxyType({"pan": 128})

    def __init__(
        self,
        architecture: str,
        classes: int,
        encoder_name: str = "resnet18",
        *,
        encoder_weights: str | None = None,
        in_channels: int = 3,
        **options: Any,
    ) -> None:
        super().__init__()
        self._min_side = self.MIN_SIDE.get(architecture, 0)
        known = segmentation_models_pytorch.MODEL_ARCHITECTURES_MAPPING
        if architecture not in known:
            raise ConfigError(
                f"model.architecture={architecture}: allowed are {', '.join(sorted(known))}"
            )
        check_encoder_name(encoder_name)
        try:
            self.net: nn.Module = known[architecture](
                encoder_name=encoder_name,
                encoder_weights=None,
                in_channels=in_channels,
                classes=classes,
                **options,
            )
        except (ValueError, TypeError, KeyError, RuntimeError) as error:
            raise ConfigError(
                f"model={architecture} cannot be built on encoder {encoder_name!r}: {error}"
            ) from error
        load_encoder_weights(self.net.encoder, encoder_name, encoder_weights)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        height, width = image.shape[-2:]
        logits: torch.Tensor = self.net(pad_to_stride(image, self.STRIDE, self._min_side))
        return logits[..., :height, :width]
