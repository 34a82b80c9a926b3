"""Every architecture of segmentation-models-pytorch, for images of any size."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import segmentation_models_pytorch
import torch
from torch import nn

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number
from outtake.models.encoder import check_input_size, find_encoder_name, load_encoder_weights
from outtake.models.layers import pad_to_stride


class SmpNet(nn.Module):
    """A network of segmentation-models-pytorch that takes any input size.

    Args:
        architecture: The name of the architecture in smp: ``unet``, ``fpn``, ``deeplabv3plus`` ...
        classes: The number of classes.
        encoder_name: See :func:`outtake.models.encoder.make_encoder`.
        encoder_weights: None, ``imagenet`` or the path of a file.
        in_channels: The number of channels of the images.
        pixel_scale: See :func:`outtake.models.encoder.load_encoder_weights`.
        options: Other arguments of the architecture's constructor.

    Raises:
        ConfigError: The architecture or encoder is unknown, or refuses an option; or the encoder
            takes images of one size only.
        WeightsError: The weights are not available, or do not fit.
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
        pixel_scale: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self._min_side = self.MIN_SIDE.get(architecture, 0)
        known = segmentation_models_pytorch.MODEL_ARCHITECTURES_MAPPING
        if architecture not in known:
            raise ConfigError(
                f"model.architecture={architecture}: allowed are {', '.join(sorted(known))}"
            )
        encoder_name = find_encoder_name(encoder_name)
        for key, value in options.items():
            if "dropout" in key:
                check_number(f"model.{key}", value, 0, 1)
        try:
            self.net: nn.Module = known[architecture](
                encoder_name=encoder_name,
                encoder_weights=None,
                in_channels=in_channels,
                classes=classes,
                **options,
            )
        except Exception as error:  # of any kind: libraries fail where they fail
            raise ConfigError(
                f"model={architecture} cannot be built on encoder {encoder_name!r}: {error}"
            ) from error
        check_input_size(self.net.encoder, encoder_name, in_channels)
        load_encoder_weights(self.net.encoder, encoder_name, encoder_weights, pixel_scale)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        height, width = image.shape[-2:]
        logits: torch.Tensor = self.net(pad_to_stride(image, self.STRIDE, self._min_side))
        return logits[..., :height, :width]
