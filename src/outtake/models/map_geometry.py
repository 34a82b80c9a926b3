"""Where the cells of a map lie in the image, through convolutions, pooling and upsampling."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class MapGeometry:
    """The place of the cells of a map in the image: cell i is centred at stride * i + first.

    Attributes:
        stride: The distance of two cells in pixels.
        first: The centre of the first cell, in pixels from that of the first pixel; negative where
            padding has put it outside of the image.
    """

    stride: float = 1
    first: float = 0

    def convolve(self, kernel: int, stride: int = 1, padding: int = 0) -> MapGeometry:
        """Return the geometry after a convolution or a pooling."""
        first = self.first + self.stride * ((kernel - 1) / 2 - padding)
        return MapGeometry(self.stride * stride, first)

    def upsample(self, kernel: int, stride: int) -> MapGeometry:
        """Return the geometry after a transposed convolution."""
        fine = self.stride / stride
        return MapGeometry(fine, self.first - fine * (kernel - 1) / 2)

    def offset_of(self, other: MapGeometry) -> int:
        """Return which cell of this map, counted from 0, lies where the first of another one does.

        The other map has the same stride and begins inside this one.
        """
        offset = (other.first - self.first) / self.stride
        assert self.stride == other.stride and offset == int(offset) >= 0, (self, other)
        return int(offset)


IMAGE = MapGeometry()


def crop(maps: torch.Tensor, offset: int, like: torch.Tensor) -> torch.Tensor:
    """Cut (B, C, H, W) maps to the height and width of others, from an offset on in both axes."""
    height, width = like.shape[-2:]
    return maps[..., offset : offset + height, offset : offset + width]
