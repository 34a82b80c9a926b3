"""Normalise uint8 pixels to the range that a network was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number

# Deng et al., ImageNet: what most encoders of torchvision, timm and smp were trained on. The others
# are in outtake.models.encoder_pixels.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Of the networks that were trained with Caffe, blue first.
CAFFE_MEAN_BGR = (104.00699, 116.66877, 122.67892)

# Black does not count in the deviation, and lies far outside of it in fog.
_LEAST_SCALED = -5.0


@dataclass(frozen=True)
class PixelScale:
    """The values that a network sees: channel c is (pixel - mean[c]) / std[c].

    Attributes:
        mean: The mean of each channel, in 0 to 255.
        std: What the difference is divided by, in 0 to 255.
        bgr: Whether blue is the first of the three channels of RGB, and red the last.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool = False

    def colour(self, channel: int) -> int:
        """Return the place of a channel in RGB; channels beyond three repeat that order."""
        return 2 - channel % 3 if self.bgr else channel % 3


IMAGENET_PIXELS = PixelScale(
    tuple(255 * mean for mean in IMAGENET_MEAN), tuple(255 * std for std in IMAGENET_STD)
)
CAFFE_PIXELS = PixelScale(CAFFE_MEAN_BGR, (1.0, 1.0, 1.0), bgr=True)
# Of networks that were trained with TensorFlow, on values of -1 to 1.
INCEPTION_PIXELS = PixelScale((127.5,) * 3, (127.5,) * 3)


class Normalize(nn.Module):
    """Subtracts the mean of each channel and divides by its standard deviation.

    Args:
        channels: The number of channels of the images. Three have the ImageNet statistics unless
            others are given, any other number has 0.5 and 0.25.
        mean: The mean of each channel, for images in 0 to 1.
        std: The standard deviation of each channel, for images in 0 to 1.
        further_channels: How many of the channels are those of further inputs, such as depth: the
            last ones, which have 0.5 and 0.25 while the others keep what they have without them.

    Raises:
        ConfigError: The means or deviations are not as many as the channels.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        channels: int = 3,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        further_channels: int = 0,
    ) -> None:
        super().__init__()
        rgb = channels - further_channels == 3
        own = channels - 3 if rgb else channels
        mean = mean or ((IMAGENET_MEAN if rgb else ()) + (0.5,) * own)
        std = std or ((IMAGENET_STD if rgb else ()) + (0.25,) * own)
        for key, values in (("mean", mean), ("std", std)):
            if len(values) != channels:
                raise ConfigError(
                    f"normalize.{key}={list(values)}: the images have {channels} channels; give "
                    "one for each, or null"
                )
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map uint8 (B, C, H, W) in 0 to 255 to float32 of the same shape."""
        return (image.float() / 255.0 - self.mean) / self.std

    @property
    def pixel_scale(self) -> PixelScale:
        """The values that the network sees."""
        mean, std = (tuple((255 * each).flatten().tolist()) for each in (self.mean, self.std))
        return PixelScale(mean, std)


class PerImageNormalize(nn.Module):
    """Subtracts each image's own mean of every channel and divides by its own standard deviation.

    What is left of the light and of its colour is what differs inside the image: a street at dusk
    and one at noon look more alike to the network. Pixels that are black in every channel do not
    count: the filling of small crops, which prediction has
    not, bars above and below a film, what surrounds a scan. Training takes the statistics of its
    crops, and prediction those of what the network sees at once: the whole image, or one window of
    it.

    Args:
        floor: Added to the standard deviation, for images in 0 to 1, so that the noise of an image
            of one colour is not enlarged without bound.

    Raises:
        ConfigError: The floor is below 1e-6.
    """

    floor: torch.Tensor

    def __init__(self, floor: float = 0.02) -> None:
        super().__init__()
        check_number("normalize.floor", floor, 1e-6)
        self.register_buffer("floor", torch.tensor(floor))  # what differs in it is another network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map uint8 (B, C, H, W) in 0 to 255 to float32 of the same shape."""
        pixels = image.float() / 255.0
        counted = (pixels.amax(1, keepdim=True) > 0).float()
        # Means and not sums, which half precision cannot hold.
        share = counted.mean((2, 3), keepdim=True).clamp(min=1e-6)
        centred = pixels - (pixels * counted).mean((2, 3), keepdim=True) / share
        variance = (centred.square() * counted).mean((2, 3), keepdim=True) / share
        scaled = centred / (variance.sqrt() + self.floor)
        return scaled.clamp(min=_LEAST_SCALED)


class CaffeNormalize(nn.Module):
    """Subtracts the mean of each channel, in 0 to 255, and puts blue first.

    So the networks saw images that were trained with Caffe: VGG-16 of its authors, CaffeNet, and
    the fully convolutional networks made of them.

    Args:
        channels: The number of channels of the images. Other than three keep their order.
        mean: The mean of each channel, in the order that the network sees; None for that of
            ImageNet, blue first, and 127.5 where there are not three channels.
        further_channels: How many of the channels are those of further inputs, such as depth: the
            last ones, of which the mean is 127.5.

    Raises:
        ConfigError: The means are not as many as the channels.
    """

    mean: torch.Tensor

    def __init__(
        self, channels: int = 3, mean: Sequence[float] | None = None, further_channels: int = 0
    ) -> None:
        super().__init__()
        self.bgr = channels - further_channels == 3
        own = channels - 3 if self.bgr else channels
        mean = mean or ((CAFFE_MEAN_BGR if self.bgr else ()) + (127.5,) * own)
        if len(mean) != channels:
            raise ConfigError(
                f"normalize.mean={list(mean)}: the images have {channels} channels; give a mean "
                "for each, or null"
            )
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map uint8 (B, C, H, W) in 0 to 255, RGB, to float32 of the same shape."""
        ordered = torch.cat([image[:, :3].flip(1), image[:, 3:]], 1) if self.bgr else image
        return ordered.float() - self.mean

    @property
    def pixel_scale(self) -> PixelScale:
        """The values that the network sees."""
        mean = tuple(self.mean.flatten().tolist())
        return PixelScale(mean, (1.0,) * len(mean), self.bgr)
