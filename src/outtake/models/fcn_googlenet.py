"""FCN-GoogLeNet: the paper's FCN-32s on GoogLeNet, which its authors never released.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015;
Szegedy et al., "Going Deeper with Convolutions", CVPR 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import GoogLeNet

from outtake.core.validate import check_number
from outtake.models.classifier_weights import GOOGLENET_LAYOUTS, load_classifier
from outtake.models.fcn_vgg16 import PADDING_PX, initialise_convolutions, make_zero_score
from outtake.models.layers import BilinearTransposedConvolution
from outtake.models.map_geometry import IMAGE, crop

_STAGES = (
    ("conv1", "maxpool1", "conv2", "conv3", "maxpool2"),
    ("inception3a", "inception3b", "maxpool3"),
    ("inception4a", "inception4b", "inception4c", "inception4d", "inception4e", "maxpool4"),
    ("inception5a", "inception5b"),
)
_CONV1_KERNEL, _POOL_KERNELS, _OUT_CHANNELS = 7, (3, 3, 3, 2), 1024
_UP_KERNEL, _UP_STRIDE = 63, 32


class FCNGoogLeNet(nn.Module):
    """The paper's network on GoogLeNet: scores of stride 32, upsampled at once.

    From the paper: only the last of the three classifiers is used, the pooling over the whole map
    before it is left out, and its linear layer becomes a 1x1 score layer that starts at zero.

    Our choice, where nothing was published: the layers are torchvision's, with batch
    normalisation, so that its file fits; the first convolution is padded by 100 pixels as in the
    other networks of the paper, so that there are scores all around the image; upsampling is
    FCN-AlexNet's, whose kernel of 63 has its centre on a pixel, as the cells here; dropout is
    GoogLeNet's 0.4.

    Args:
        classes: The number of classes.
        encoder_weights: None, or torchvision's file.
        weights_pixels: What values the filters of that file were learnt on, see
            :func:`outtake.models.classifier_weights.load_classifier`.
        in_channels: The number of channels of the images.
        dropout: The probability of dropout before the score layer.
        pixel_scale: The fields of :class:`outtake.models.normalisation.PixelScale`, which the
            first filters of the file are converted to; None leaves them as they are.

    Raises:
        ConfigError: The probability is not one.
        WeightsError: The file is missing or does not fit.
    """

    def __init__(
        self,
        classes: int,
        *,
        encoder_weights: str | None = None,
        weights_pixels: str = "auto",
        in_channels: int = 3,
        dropout: float = 0.4,
        pixel_scale: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_number("model.dropout", dropout, 0, 1)
        self._dropout = dropout
        # One class: the classifier is not used.
        classifier = GoogLeNet(1, aux_logits=False, init_weights=False)
        for name in (name for stage in _STAGES for name in stage):
            self.add_module(name, classifier.get_submodule(name))
        first = nn.Conv2d(in_channels, 64, _CONV1_KERNEL, stride=2, padding=PADDING_PX, bias=False)
        self.get_submodule("conv1").conv = first
        initialise_convolutions(self)
        self.score_fr = make_zero_score(_OUT_CHANNELS, classes)
        self.up_final = BilinearTransposedConvolution(_UP_STRIDE, _UP_KERNEL)
        geometry = IMAGE.convolve(_CONV1_KERNEL, 2, PADDING_PX)
        for kernel in _POOL_KERNELS:
            geometry = geometry.convolve(kernel, 2)
        self.crop_offset = geometry.upsample(_UP_KERNEL, _UP_STRIDE).offset_of(IMAGE)
        load_classifier(self, encoder_weights, GOOGLENET_LAYOUTS, weights_pixels, pixel_scale)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map float (B, C, H, W) to logits (B, classes, H, W)."""
        x = image
        for name in (name for stage in _STAGES for name in stage):
            x = self.get_submodule(name)(x)
        x = F.dropout(x, self._dropout, self.training)
        return crop(self.up_final(self.score_fr(x)), self.crop_offset, like=image)
