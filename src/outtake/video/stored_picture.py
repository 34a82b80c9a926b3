"""The picture outside what was removed, copied from the source's own planes.

Where a pixel of the RGB picture is what was decoded, the encoder gets the luma of the source, and
its chroma where that holds for every pixel of a chroma sample. So what was not touched does not
pass through RGB at all, and values that no RGB stands for (super-white) are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, StoredPicture, TimedFrame
from outtake.video.colour import (
    PLANAR_YUV,
    SWSCALE_THREADS,
    ColourTags,
    Frame16,
    from_rgb,
    new_frame,
    plane_arrays,
)
from outtake.video.orientation import Orientation

Pixel = TypeVar("Pixel", np.uint8, np.uint16)

# Boxes that are converted begin and end at multiples of this, as swscale's own steps do.
_GRID_PX = 16
_COMPARED_ROWS = 64

_PLANAR_ALPHA = re.compile(r"(yuva4\d\dp|gbrap)(1[0-6]le)?")
_PACKED_ALPHA = {"rgba": 3, "bgra": 3, "argb": 0, "abgr": 0}  # which of four bytes


def keep_stored_picture(
    frame: av.VideoFrame,
    image: Frame,
    image16: Frame16 | None,
    *,
    has_alpha: bool = False,
    turn: Orientation | None = None,
) -> StoredPicture | None:
    """Return a decoded frame's planes, without a copy; None if there is nothing to keep.

    That is where it is not YUV in planes, or is turned, and its alpha is not wanted.

    Args:
        frame: The decoded frame.
        image: The RGB made of it, turned for showing, uint8 (H, W, 3).
        image16: The same with 16 bits, if there is one.
        has_alpha: Whether its alpha is kept too.
        turn: How it is turned for showing; by default not at all.
    """
    pix_fmt = frame.format.name.replace("yuvj", "yuv").replace("yuva", "yuv")
    alpha = _read_alpha(frame, image16 is not None) if has_alpha else None
    if turn is not None and turn != Orientation():
        alpha = None if alpha is None else turn.apply(alpha[..., None])[..., 0]
    elif PLANAR_YUV.fullmatch(pix_fmt) and all(plane.line_size > 0 for plane in frame.planes):
        return StoredPicture(pix_fmt, plane_arrays(frame)[:3], image, image16, alpha)
    return None if alpha is None else StoredPicture("", (), image, image16, alpha)


def _read_alpha(frame: av.VideoFrame, deep: bool) -> NDArray[Any]:
    pixels = frame.to_ndarray(format="rgba64le" if deep else "rgba", threads=SWSCALE_THREADS)
    return np.ascontiguousarray(pixels[..., 3])


def is_transparent(frame: av.VideoFrame) -> bool:
    """Return whether a frame has alpha that is not opaque everywhere, to 8 bits."""
    if not any(part.is_alpha for part in frame.format.components):
        return False
    name = frame.format.name
    if all(plane.line_size > 0 for plane in frame.planes):  # these need no conversion
        if _PLANAR_ALPHA.fullmatch(name):
            alpha, bits = plane_arrays(frame)[3], frame.format.components[0].bits
            return bool(alpha.min() < 255 << (bits - 8))
        if name in _PACKED_ALPHA:
            rows = np.frombuffer(frame.planes[0], np.uint8).reshape(frame.height, -1)
            return bool(rows[:, _PACKED_ALPHA[name] : 4 * frame.width : 4].min() < 255)
    return bool((frame.to_ndarray(format="rgba", threads=SWSCALE_THREADS)[..., 3] != 255).any())


def forget_planes(
    stored: StoredPicture | None, mask: NDArray[np.bool_] | None
) -> StoredPicture | None:
    """Return what still holds of a stored picture once something was removed from it.

    Args:
        stored: The picture.
        mask: Where something was removed, bool (H, W); None where the whole picture is another.
    """
    if stored is None:
        return None
    if mask is None:
        return replace(stored, pix_fmt="", planes=())
    return replace(stored, filled=mask) if mask.any() else stored


def add_stored_alpha(image: Frame | Frame16, stored: StoredPicture | None) -> Any:
    """Return a picture with the alpha of its source, if that has some.

    Of a picture with alpha of its own, each pixel gets the lesser one. To others the alpha of an
    EXR is not added: it is multiplied into the colours.
    """
    alpha = None if stored is None else stored.alpha
    if alpha is None or alpha.shape != image.shape[:2]:
        return image
    own = image[..., 3:]
    if alpha.dtype.kind != "u":
        if not own.size:
            return image
        alpha = np.rint(np.clip(np.nan_to_num(alpha), 0, 1).astype(np.float32) * 65535)
        alpha = alpha.astype(np.uint16)
    if alpha.dtype != image.dtype:
        deep = image.dtype == np.uint16
        alpha = alpha * np.uint16(257) if deep else (alpha >> 8).astype(np.uint8)
    return np.dstack([image[..., :3], np.minimum(alpha[..., None], own) if own.size else alpha])


def make_encoder_frame(
    frame: TimedFrame, pix_fmt: str, tags: ColourTags, *, high_bit_depth: bool, copy: bool
) -> av.VideoFrame:
    """Return a frame for the encoder.

    Args:
        frame: The picture.
        pix_fmt: FFmpeg's name of the encoder's pixel format.
        tags: The colour tags of the result.
        high_bit_depth: Whether the picture with 16 bits is used, if there is one.
        copy: Whether the source has the same tags, so that its planes are copied where the
            picture did not change, if pixel format and size are the same too.
    """
    deep = frame.image16 if high_bit_depth else None
    image = frame.image if deep is None else deep
    stored = frame.stored
    if not copy or stored is None or stored.pix_fmt != pix_fmt:
        if any(part.is_alpha for part in av.VideoFormat(pix_fmt).components):
            image = add_stored_alpha(image, stored)
        return from_rgb(image, pix_fmt, tags)
    if deep is not None and stored.image16 is not None and deep.shape == stored.image16.shape:
        return _copy_unchanged(deep, stored.image16, stored, tags)
    if deep is None and frame.image.shape == stored.image.shape:
        return _copy_unchanged(frame.image, stored.image, stored, tags)
    return from_rgb(image, pix_fmt, tags)


def is_unchanged(frame: TimedFrame, pix_fmt: str, *, high_bit_depth: bool) -> bool:
    """Return whether a picture is what was decoded, sample for sample.

    Args:
        frame: The picture.
        pix_fmt: FFmpeg's name of the encoder's pixel format; another than the source's changes it.
        high_bit_depth: Whether the picture with 16 bits is used, if there is one.
    """
    stored = frame.stored
    if stored is None or stored.pix_fmt != pix_fmt or stored.alpha is not None:
        return False
    if stored.filled is not None:
        return False
    if high_bit_depth and frame.image16 is not None:
        return stored.image16 is not None and _is_same(frame.image16, stored.image16)
    return _is_same(frame.image, stored.image)


def _is_same(image: NDArray[Any], original: NDArray[Any]) -> bool:
    """Return whether two pictures are equal, without a look at all of them where they are not."""
    if image is original or image.shape != original.shape:
        return image is original
    return all(
        np.array_equal(image[top : top + _COMPARED_ROWS], original[top : top + _COMPARED_ROWS])
        for top in range(0, image.shape[0], _COMPARED_ROWS)
    )


def _copy_unchanged(
    image: NDArray[Pixel], original: NDArray[Pixel], stored: StoredPicture, tags: ColourTags
) -> av.VideoFrame:
    """Return a frame of the source's planes, with what changed converted from RGB."""
    height, width = image.shape[:2]
    frame = new_frame(width, height, stored.pix_fmt, tags)
    targets = plane_arrays(frame)
    for before, after in zip(stored.planes, targets, strict=True):
        after[:] = before
    for (top, left), changed in _find_changes(image, original, stored.filled):
        rows, columns = changed.shape
        made = from_rgb(image[top : top + rows, left : left + columns], stored.pix_fmt, tags)
        for part, after in zip(plane_arrays(made), targets, strict=True):
            down, across = -(-height // after.shape[0]), -(-width // after.shape[1])
            rows, columns = part.shape
            into = after[top // down :, left // across :][:rows, :columns]
            cv2.copyTo(part, _any_in_blocks(changed, down, across), into)
    return frame


def _find_changes(
    image: NDArray[Pixel], original: NDArray[Pixel], filled: NDArray[np.bool_] | None
) -> Iterator[tuple[tuple[int, int], NDArray[np.uint8]]]:
    """Yield where two pictures differ or one was filled, in boxes that lie on the grid.

    The boxes lie one above the other. Each is its corner (y, x), and uint8 (h, w), 0 for no
    difference.
    """
    height, width = image.shape[:2]
    differs = np.zeros(height, bool)
    if image is not original:
        differs |= (_as_words(image) != _as_words(original)).any(axis=1)
    if filled is not None:
        differs |= filled.any(axis=1)
    rows = np.flatnonzero(differs)
    if not rows.size:
        return
    for band in np.split(rows, np.flatnonzero(np.diff(rows) > 2 * _GRID_PX) + 1):
        top, bottom = _round_outwards(int(band[0]), int(band[-1]) + 1, height)
        zero = (0.0, 0.0, 0.0)
        same = cv2.inRange(cv2.absdiff(image[top:bottom], original[top:bottom]), zero, zero)
        changed = np.asarray(cv2.bitwise_not(same), np.uint8)
        if filled is not None:
            changed |= filled[top:bottom].view(np.uint8)
        x, _, columns, _ = cv2.boundingRect(changed)
        left, right = _round_outwards(x, x + columns, width)
        yield (top, left), np.ascontiguousarray(changed[:, left:right])


def _as_words(image: NDArray[Pixel]) -> NDArray[Any]:
    """Return the rows of a picture as the widest numbers that fill them, (H, n)."""
    rows = np.ascontiguousarray(image).reshape(len(image), -1)
    for word in (np.uint64, np.uint32, np.uint16):
        if rows[0].nbytes % np.dtype(word).itemsize == 0:
            return rows.view(word)
    return rows


def _round_outwards(begin: int, end: int, size: int) -> tuple[int, int]:
    return begin // _GRID_PX * _GRID_PX, min(-(-end // _GRID_PX) * _GRID_PX, size)


def _any_in_blocks(changed: NDArray[np.uint8], down: int, across: int) -> NDArray[np.uint8]:
    """Return whether any pixel of each block is not 0; blocks at the end may be cut."""
    height, width = changed.shape
    if height % down or width % across:
        changed = np.pad(changed, ((0, -height % down), (0, -width % across)))
    if down == 2:
        changed = cv2.bitwise_or(changed[::2], changed[1::2])
    if across == 2:  # two neighbours are read as one number
        changed = (changed.view(np.uint16) != 0).view(np.uint8)
    return changed
