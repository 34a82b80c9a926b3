"""Colour tags, and the conversion between YUV and RGB that they ask for.

The numbers are those of ITU-T H.273, as FFmpeg uses them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import av
import numpy as np

from outtake.types import Frame

BT709 = 1
UNSPECIFIED = 2
LIMITED_RANGE = 1
FULL_RANGE = 2

# H.273 matrix -> the number swscale has for it. What is missing here (RGB, YCgCo, ...) is
# decoded by its own tag, and can not be encoded as YUV under that tag.
_SWSCALE_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}


@dataclass(frozen=True, slots=True)
class ColourTags:
    """What a video says about its colours.

    Attributes:
        matrix: YUV matrix coefficients.
        primaries: colour primaries.
        transfer: transfer characteristics.
        full_range: whether black and white are 0 and 255, not 16 and 235.
    """

    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    full_range: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> ColourTags:
        """Read the tags of a decoded frame."""
        return cls(
            frame.colorspace,
            frame.color_primaries,
            frame.color_trc,
            frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj"),
        )

    def for_yuv(self) -> ColourTags:
        """Return the tags under which the picture can be stored as YUV."""
        if self.matrix == UNSPECIFIED or self.matrix in _SWSCALE_MATRIX:
            return self
        return replace(self, matrix=BT709, full_range=False)

    def swscale_matrix(self, width: int, height: int) -> int | None:
        """Return swscale's matrix number; an untagged video gets the one players assume."""
        if self.matrix == UNSPECIFIED:
            return 1 if width >= 1280 or height > 576 else 5
        return _SWSCALE_MATRIX.get(self.matrix)


def to_rgb(frame: av.VideoFrame, tags: ColourTags) -> Frame:
    """Convert a decoded frame of any pixel format to RGB, uint8 (H, W, 3)."""
    rgb: Frame = frame.to_ndarray(
        format="rgb24",
        src_colorspace=tags.swscale_matrix(frame.width, frame.height),
        src_color_range=FULL_RANGE if tags.full_range else None,
        dst_color_range=FULL_RANGE,
    )
    return rgb


def from_rgb(image: Frame, pix_fmt: str, tags: ColourTags) -> av.VideoFrame:
    """Convert RGB to a frame of the encoder's pixel format, tagged."""
    height, width = image.shape[:2]
    rgb = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="rgb24")
    if av.VideoFormat(pix_fmt).is_rgb:
        return rgb.reformat(format=pix_fmt)
    frame = rgb.reformat(
        format=pix_fmt,
        dst_colorspace=tags.swscale_matrix(width, height),
        src_color_range=FULL_RANGE,
        dst_color_range=FULL_RANGE if tags.full_range else LIMITED_RANGE,
    )
    return frame
