"""What networks share: padding to a stride, bilinear upsampling, convolutions with their norm."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def pad_to_stride(image: torch.Tensor, stride: int, min_side: int = 0) -> torch.Tensor:
    """Pad at the right and the bottom until height and width are multiples of ``stride``.

    What is added mirrors the image. Zeros would be a dark border where there is none, and a
    repeated edge is streaks: networks took the road above them for a wall. ``image`` is (B, C, H,
    W) of any float dtype; crop the result to ``[..., :H, :W]`` to undo the padding. Neither side
    becomes smaller than ``min_side``, itself a multiple of ``stride``.
    """
    height, width = image.shape[-2:]
    bottom = max(-height % stride, min_side - height)
    right = max(-width % stride, min_side - width)
    while bottom or right:
        # A mirror shows no more than the image has beside its edge.
        down, across = min(bottom, image.shape[-2] - 1), min(right, image.shape[-1] - 1)
        if down or across:
            image = F.pad(image, (0, across, 0, down), mode="reflect")
            bottom, right = bottom - down, right - across
        else:  # a line of pixels
            return F.pad(image, (0, right, 0, bottom), mode="replicate")
    return image


def resize_to(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Resize (B, C, h, w) bilinearly to the height and width of another map."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def enlarge_scores(scores: torch.Tensor, padded: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Enlarge scores (B, C, h, w) bilinearly to the padded image, and crop them to the image."""
    if scores.shape[-2:] != padded.shape[-2:]:
        scores = resize_to(scores, padded)
    return scores[..., : image.shape[-2], : image.shape[-1]]


class FrozenUpsample(nn.Module):
    """Bilinear interpolation by an integer factor.

    Inside the picture this equals the frozen transposed convolution of the FCN paper; at the
    border it repeats the edge, where the convolution would fade to zero.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C, factor * H, factor * W)."""
        return F.interpolate(
            x, scale_factor=float(self.factor), mode="bilinear", align_corners=False
        )


class BilinearTransposedConvolution(nn.Module):
    """The frozen transposed convolution of the FCN paper: bilinear, fading to zero at the border.

    A map that is padded by a row of zeros and interpolated has the same values, and needs neither
    weights nor the sum over a large kernel.

    Args:
        stride: The factor by which maps grow.
        kernel: The size of the kernel: ``2 * stride``, or one less, whose centre is on a pixel.
    """

    def __init__(self, stride: int, kernel: int) -> None:
        super().__init__()
        assert kernel in (2 * stride, 2 * stride - 1), "these kernels are bilinear"
        self.stride = stride
        self.kernel = kernel

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C, stride * (H - 1) + kernel, stride * (W - 1) + kernel)."""
        stride, padded = self.stride, F.pad(x, (1, 1, 1, 1))
        on_pixels = self.kernel % 2 == 1
        sides = [
            stride * (side - 1) + 1 if on_pixels else stride * side for side in padded.shape[-2:]
        ]
        grown = F.interpolate(padded, size=sides, mode="bilinear", align_corners=on_pixels)
        margin = 1 if on_pixels else stride // 2
        return grown[..., margin:-margin, margin:-margin]


class LearnedUpsample(nn.ConvTranspose2d):
    """A transposed convolution that starts as bilinear interpolation (Long et al. 2015, 3.3)."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__(
            channels, channels, 2 * factor, stride=factor, padding=factor // 2, bias=False
        )
        with torch.no_grad():
            self.weight.zero_()
            kernel = bilinear_kernel(factor)
            for channel in range(channels):
                self.weight[channel, channel] = kernel


def bilinear_kernel(factor: int) -> torch.Tensor:
    """Return the (2 * factor, 2 * factor) weights of bilinear interpolation by an even factor."""
    size = 2 * factor
    ramp = 1 - (torch.arange(size, dtype=torch.float32) - (factor - 0.5)).abs() / factor
    return ramp[:, None] * ramp[None, :]


def make_upsample(kind: str, channels: int, factor: int) -> nn.Module:
    """Return the ``frozen`` or the ``learned`` module."""
    return FrozenUpsample(factor) if kind == "frozen" else LearnedUpsample(channels, factor)


def make_conv_bn(
    in_channels: int,
    out_channels: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Return a convolution without bias, and batch normalisation.

    At stride 1 the size of the map stays; at stride 2 an even size is halved.
    """
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
    )


def make_conv_bn_relu(
    in_channels: int, out_channels: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Return :func:`make_conv_bn` with ReLU."""
    return make_conv_bn(in_channels, out_channels, kernel, stride=stride, dilation=dilation).append(
        nn.ReLU(inplace=True)
    )
