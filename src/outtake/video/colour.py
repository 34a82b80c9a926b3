"""Colour tags, and the conversion between YUV and RGB that they ask for.

The numbers are those of ITU-T H.273, as FFmpeg uses them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from outtake.core.types import Frame

BT709 = 1
UNSPECIFIED = 2
LIMITED_RANGE = 1
FULL_RANGE = 2

# H.273 matrix -> the number swscale has for it. What is missing here (RGB, YCgCo, ...) is
# decoded by its own tag, and cannot be encoded as YUV under that tag.
_SWSCALE_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}

# Chroma is repeated on the way to RGB and averaged on the way back, both with exact rounding: what
# nothing was removed from comes back as the very YUV values that were decoded. A smoother
# interpolation softens chroma with each pass, and swscale's fast path darkens by up to 2 levels.
# The flags are the cheapest with which that holds, for 8 bits and for more.
_UP = Interpolation.POINT | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_DOWN = Interpolation.AREA | Interpolation.FULL_CHR_H_INP
_DOWN_16 = Interpolation.AREA | Interpolation.ACCURATE_RND
# Each thread of swscale writes a little past its rows, into those of the next: a few pixels of
# what comes out would be left to chance.
_THREADS = 1

Frame16: TypeAlias = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class ColourTags:
    """The colour tags of a video.

    Attributes:
        matrix: YUV matrix coefficients.
        primaries: Colour primaries.
        transfer: Transfer characteristics.
        full_range: Whether black and white are 0 and 255 instead of 16 and 235.
    """

    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    full_range: bool = False

    @classmethod
    def from_frame(cls, frame: av.VideoFrame) -> ColourTags:
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
    rgb: Frame = _convert_to_rgb(frame, tags, "rgb24")
    return rgb


def to_rgb16(frame: av.VideoFrame, tags: ColourTags) -> Frame16:
    """Convert a decoded frame to RGB with 16 bits, uint16 (H, W, 3), full scale 65535."""
    rgb: Frame16 = _convert_to_rgb(frame, tags, "rgb48le")
    return rgb


def _convert_to_rgb(frame: av.VideoFrame, tags: ColourTags, pix_fmt: str) -> Any:
    return _without_chroma_location(frame).to_ndarray(
        format=pix_fmt,
        interpolation=_UP,
        src_colorspace=tags.swscale_matrix(frame.width, frame.height),
        src_color_range=FULL_RANGE if tags.full_range else None,
        dst_color_range=FULL_RANGE,
        threads=_THREADS,
    )


def _without_chroma_location(frame: av.VideoFrame) -> av.VideoFrame:
    """Return a frame without its chroma location, by which swscale would shift chroma each way."""
    parts = frame.format.components
    subsampled = any((part.width, part.height) != (frame.width, frame.height) for part in parts)
    if not subsampled or frame.format.is_rgb or any(p.line_size <= 0 for p in frame.planes):
        return frame
    copy = av.VideoFrame(frame.width, frame.height, frame.format.name)
    copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
    for source, target in zip(frame.planes, copy.planes, strict=True):
        rows, width = source.height, min(source.line_size, target.line_size)
        filled = np.frombuffer(target, np.uint8).reshape(rows, -1)
        filled[:, :width] = np.frombuffer(source, np.uint8).reshape(rows, -1)[:, :width]
    return copy


def from_rgb(image: Frame | Frame16, pix_fmt: str, tags: ColourTags) -> av.VideoFrame:
    """Convert RGB to a frame of the encoder's pixel format, tagged.

    Args:
        image: The picture, uint8, or uint16 with full scale 65535; (H, W, 3), or (H, W, 4) with
            straight alpha.
        pix_fmt: FFmpeg's name of the pixel format; alpha is dropped if it has none.
        tags: The colour tags of the result.
    """
    height, width, channels = image.shape
    layout = "rgba" if channels == 4 else "rgb"
    is_16_bit = image.dtype == np.uint16
    name = f"{layout}{16 * channels}le" if is_16_bit else {3: "rgb24", 4: "rgba"}[channels]
    interpolation = _DOWN_16 if is_16_bit else _DOWN
    yuv = not av.VideoFormat(pix_fmt).is_rgb
    if is_16_bit and yuv and tags.full_range:
        image = image - (image >> 8)  # swscale reaches full scale at 65280 here
    # A copy: swscale reads a little past the last row, which only FFmpeg's own buffers allow.
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=name)
    if not yuv:
        return rgb.reformat(format=pix_fmt, interpolation=interpolation, threads=_THREADS)
    frame = rgb.reformat(
        format=pix_fmt,
        interpolation=interpolation,
        dst_colorspace=tags.swscale_matrix(width, height),
        src_color_range=FULL_RANGE,
        dst_color_range=FULL_RANGE if tags.full_range else LIMITED_RANGE,
        threads=_THREADS,
    )
    # Some encoders take these from the frame, others from their own settings.
    frame.color_primaries, frame.color_trc = tags.primaries, tags.transfer
    return frame
