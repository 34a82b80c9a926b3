"""Colour tags, and the conversion between YUV and RGB that they ask for.

The numbers are those of ITU-T H.273, as FFmpeg uses them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from outtake.core.types import Frame

BT709 = 1
UNSPECIFIED = 2
BT601 = 5
LIMITED_RANGE = 1
FULL_RANGE = 2

# H.273 matrix -> the number swscale has for it. What is missing here (RGB, YCgCo, ...) is
# decoded by its own tag, and cannot be encoded as YUV under that tag.
_SWSCALE_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
_SWSCALE_TAG = {BT601: 6}  # the tag that swscale gives what it converts

PLANAR_YUV = re.compile(r"yuv(?P<alpha>a?)(?P<chroma>420|422|444)p(?P<bits>10le|12le|16le)?")

# Chroma is repeated on the way to RGB and averaged on the way back, both with exact rounding: what
# nothing was removed from comes back as the very YUV values that were decoded. A smoother
# interpolation softens chroma with each pass, and swscale's fast path darkens by up to 2 levels.
# The flags are the cheapest with which that holds, for 8 bits and for more.
_UP = Interpolation.POINT | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_DOWN = Interpolation.AREA | Interpolation.FULL_CHR_H_INP
_DOWN_16 = Interpolation.AREA | Interpolation.ACCURATE_RND
# Each thread of swscale writes a little past its rows, into those of the next: a few pixels of
# what comes out would be left to chance.
SWSCALE_THREADS = 1

Frame16: TypeAlias = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class ColourTags:
    """The colour tags of a video.

    Attributes:
        matrix: YUV matrix coefficients.
        primaries: Colour primaries.
        transfer: Transfer characteristics.
        full_range: Whether black and white are 0 and 255 instead of 16 and 235.
        assumed_matrix: The matrix that players take for an untagged video of the size that is
            stored; it stays the same when the picture is turned or enlarged.
    """

    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    full_range: bool = False
    assumed_matrix: int = UNSPECIFIED

    @classmethod
    def from_frame(cls, frame: av.VideoFrame) -> ColourTags:
        """Read the tags of a decoded frame."""
        found = cls(
            frame.colorspace,
            frame.color_primaries,
            frame.color_trc,
            frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj"),
        )
        untagged = found.matrix == UNSPECIFIED and not frame.format.is_rgb
        return replace(
            found,
            assumed_matrix=_guess_matrix(frame.width, frame.height) if untagged else UNSPECIFIED,
        )

    def for_yuv(self, width: int, height: int) -> ColourTags:
        """Return the tags under which the picture can be stored as YUV of a size.

        What is untagged stays so, unless players would take another matrix for the new size.
        """
        if self.matrix == UNSPECIFIED:
            guess = _guess_matrix(width, height)
            return self if self.assumed_matrix in (UNSPECIFIED, guess) else self._tag_matrix()
        if self.matrix in _SWSCALE_MATRIX:
            return self
        return replace(self, matrix=BT709, full_range=False)

    def _tag_matrix(self) -> ColourTags:
        return replace(self, matrix=self.assumed_matrix, assumed_matrix=UNSPECIFIED)

    def swscale_matrix(self, width: int, height: int) -> int | None:
        """Return swscale's matrix number; an untagged video gets the one players assume."""
        if self.matrix != UNSPECIFIED:
            return _SWSCALE_MATRIX.get(self.matrix)
        if self.assumed_matrix != UNSPECIFIED:
            return self.assumed_matrix
        return _guess_matrix(width, height)


def _guess_matrix(width: int, height: int) -> int:
    """Return the matrix that players take for an untagged video: BT.709 for HD, BT.601 for SD."""
    return BT709 if width >= 1280 or height > 576 else BT601


def to_rgb(frame: av.VideoFrame, tags: ColourTags) -> Frame:
    """Convert a decoded frame of any pixel format to RGB, uint8 (H, W, 3)."""
    rgb: Frame = _convert_to_rgb(frame, tags, "rgb24")
    return rgb


def to_rgb16(frame: av.VideoFrame, tags: ColourTags) -> Frame16:
    """Convert a decoded frame to RGB with 16 bits, uint16 (H, W, 3), full scale 65535."""
    rgb: Frame16 = _convert_to_rgb(frame, tags, "rgb48le")
    bits = frame.format.components[0].bits
    if tags.full_range and bits < 16 and not frame.format.is_rgb:
        rgb = np.add(rgb, rgb >> bits)  # swscale makes 65472 of 1023, 65280 of 255
    return rgb


def _convert_to_rgb(frame: av.VideoFrame, tags: ColourTags, pix_fmt: str) -> Any:
    return _without_chroma_location(frame).to_ndarray(
        format=pix_fmt,
        interpolation=_UP,
        src_colorspace=tags.swscale_matrix(frame.width, frame.height),
        src_color_range=FULL_RANGE if tags.full_range else None,
        dst_color_range=FULL_RANGE,
        threads=SWSCALE_THREADS,
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
    is_16_bit = image.dtype == np.uint16
    interpolation = _DOWN_16 if is_16_bit else _DOWN
    yuv = not av.VideoFormat(pix_fmt).is_rgb
    if is_16_bit and yuv and tags.full_range:
        image = image - (image >> 8)  # swscale reaches full scale at 65280 here
    layout = "rgba" if channels == 4 else "rgb"
    name = f"{layout}{16 * channels}le" if is_16_bit else {3: "rgb24", 4: "rgba"}[channels]
    # A copy: swscale reads a little past the last row, which only FFmpeg's own buffers allow.
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=name)
    if not yuv:
        return rgb.reformat(format=pix_fmt, interpolation=interpolation, threads=SWSCALE_THREADS)
    fine = _rounded_from(pix_fmt) if tags.full_range else None
    frame = rgb.reformat(
        format=fine or pix_fmt,
        interpolation=interpolation,
        dst_colorspace=tags.swscale_matrix(width, height),
        src_color_range=FULL_RANGE,
        dst_color_range=FULL_RANGE if tags.full_range else LIMITED_RANGE,
        threads=SWSCALE_THREADS,
    )
    if fine:
        return _round_full_range(frame, pix_fmt, tags)
    # Some encoders take these from the frame, others from their own settings.
    frame.color_primaries, frame.color_trc = tags.primaries, tags.transfer
    return frame


def _rounded_from(pix_fmt: str) -> str | None:
    """Return the format of 16 bits from which one of fewer, in planes, is rounded."""
    match = PLANAR_YUV.fullmatch(pix_fmt)
    return f"yuv{match['alpha']}{match['chroma']}p16le" if match else None


def _round_full_range(fine: av.VideoFrame, pix_fmt: str, tags: ColourTags) -> av.VideoFrame:
    """Return a full-range frame of 16 bits with fewer: swscale itself would cut off, not round."""
    frame = new_frame(fine.width, fine.height, pix_fmt, tags)
    bits = frame.format.components[0].bits
    scale = (2**bits - 1) / 65535
    planes = zip(plane_arrays(fine), plane_arrays(frame), strict=True)
    for number, (before, after) in enumerate(planes):
        # Chroma is around a middle of its own: 128 of 255 is not 32768 of 65535.
        shift = 2 ** (bits - 1) - 32768 * scale if number in (1, 2) else 0.0
        if bits == 8:
            cv2.convertScaleAbs(before, dst=after, alpha=scale, beta=shift)
        else:
            after[:] = np.rint(before * np.float32(scale) + np.float32(shift))
    return frame


def new_frame(width: int, height: int, pix_fmt: str, tags: ColourTags) -> av.VideoFrame:
    """Return a YUV frame without content that is tagged as :func:`from_rgb` tags it."""
    frame = av.VideoFrame(width, height, pix_fmt)
    matrix = tags.swscale_matrix(width, height) or BT709
    frame.colorspace = _SWSCALE_TAG.get(matrix, matrix)
    frame.color_range = FULL_RANGE if tags.full_range else LIMITED_RANGE
    frame.color_primaries, frame.color_trc = tags.primaries, tags.transfer
    return frame


def plane_arrays(frame: av.VideoFrame) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], ...]:
    """Return the planes of a frame of a planar format as arrays of its own memory, (h, w) each."""
    deep = frame.format.components[0].bits > 8
    return tuple(_plane_array(plane, np.uint16 if deep else np.uint8) for plane in frame.planes)


def _plane_array(plane: Any, kind: type) -> Any:
    return np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width]
