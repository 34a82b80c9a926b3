"""Layers drawn over a frame, or over nothing: what the page shows and what is exported.

Porter and Duff, "Compositing Digital Images", SIGGRAPH 1984, the operator *over*, on values as
they are stored. A layer at 100%, unturned, on whole pixels is pasted as it is, bit for bit; else it
is read between pixels, and averaged before where it becomes smaller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.studio.layer_stack import Layer

# Rows that are composed at once, so that a large frame takes little memory.
_BAND_ROWS = 256
# Stored values times this: 255 becomes 65535.
_DEEP = 257


@dataclass(frozen=True)
class _PlacedLayer:
    """A layer with its pixels multiplied by their alpha.

    Attributes:
        pixels: uint16 (H, W, 4), 65535 for full.
        matrix: From coordinates of these pixels to those of the frame, (2, 3); whole numbers are
            the middles of pixels.
        opacity: From 0 to 1.
        rows: The first row of the frame that it may touch, and the one behind the last.
        columns: The same of columns.
    """

    pixels: NDArray[np.uint16]
    matrix: NDArray[np.float64]
    opacity: float
    rows: tuple[int, int]
    columns: tuple[int, int]


def compose(
    layers: Sequence[Layer],
    read_picture: Callable[[str], Frame],
    size: tuple[int, int],
    frame: Frame | None,
) -> Frame:
    """Draw layers in their order.

    Args:
        layers: The lowest first; see :mod:`outtake.studio.layer_stack`.
        read_picture: Returns the picture of a layer, uint8 (H, W, 4).
        size: Height and width of what is drawn.
        frame: What lies under all, uint8 (H, W, 3); None for nothing.

    Returns:
        uint8 (H, W, 3) over a frame, (H, W, 4) over nothing; the colours of transparent pixels are
        0.
    """
    shown = [layer for layer in layers if layer["shown"] and layer["opacity"] > 0]
    placed = [_place(layer, read_picture(layer["picture"])) for layer in shown]
    if frame is not None:
        drawn: Frame = frame.copy()
    else:
        drawn = np.zeros((*size, 4), np.uint8)
    for top in range(0, size[0], _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, size[0])
        here = [each for each in placed if each.rows[0] < bottom and each.rows[1] > top]
        left = max(min((each.columns[0] for each in here), default=0), 0)
        right = min(max((each.columns[1] for each in here), default=0), size[1])
        if left < right:
            place = np.s_[top:bottom, left:right]
            under = None if frame is None else frame[place]
            drawn[place] = _compose_part(here, (top, left), drawn[place].shape[:2], under)
    return drawn


def layer_matrix(layer: Layer, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return what takes a place in the picture of a layer to a place in the frame, (2, 3).

    Places are counted from the outer corner of the first pixel, whose middle is (0.5, 0.5).

    Args:
        layer: The layer.
        size: Height and width of its picture.
    """
    height, width = size
    turn = math.radians(layer["angle"])
    cosine, sine = math.cos(turn), math.sin(turn)
    if layer["angle"] % 90 == 0:
        cosine, sine = round(cosine), round(sine)
    across, down = layer["scale_x"] / 100, layer["scale_y"] / 100
    linear = np.array([[cosine * across, -sine * down], [sine * across, cosine * down]])
    shift = np.array([layer["x"], layer["y"]]) - linear @ np.array([width / 2, height / 2])
    return np.hstack([linear, shift[:, None]])


def _place(layer: Layer, picture: Frame) -> _PlacedLayer:
    height, width = picture.shape[:2]
    pixels = picture.astype(np.uint16) * np.uint16(_DEEP)
    alpha = picture[..., 3:].astype(np.uint32)
    pixels[..., :3] = (pixels[..., :3] * alpha + 127) // 255
    matrix = layer_matrix(layer, (height, width))
    low = max(1, math.ceil(height * min(layer["scale_y"] / 100, 1)))
    narrow = max(1, math.ceil(width * min(layer["scale_x"] / 100, 1)))
    if (low, narrow) != (height, width):
        pixels = np.asarray(cv2.resize(pixels, (narrow, low), interpolation=cv2.INTER_AREA))
        matrix[:, 0] *= width / narrow
        matrix[:, 1] *= height / low
    corners = np.array([[0, 0, 1], [narrow, 0, 1], [0, low, 1], [narrow, low, 1]]) @ matrix.T
    # From outer corners to middles, on both sides.
    matrix[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    rows, columns = (
        (math.floor(corners[:, axis].min()) - 1, math.ceil(corners[:, axis].max()) + 1)
        for axis in (1, 0)
    )
    return _PlacedLayer(pixels, matrix, layer["opacity"] / 100, rows, columns)


def _compose_part(
    placed: Sequence[_PlacedLayer],
    origin: tuple[int, int],
    size: tuple[int, int],
    under: Frame | None,
) -> Frame:
    """Draw layers into a part of the frame whose first row and column are ``origin``."""
    drawn = np.zeros((*size, 4), np.float32)
    if under is not None:
        drawn[..., :3], drawn[..., 3] = under, 255
    for layer in placed:
        matrix = layer.matrix - [[0, 0, origin[1]], [0, 0, origin[0]]]
        over = cv2.warpAffine(
            layer.pixels,
            matrix,
            size[::-1],
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        cover = _find_cover(matrix, layer.pixels.shape[:2], size)
        part = over.astype(np.float32) * (cover * np.float32(layer.opacity / _DEEP))[..., None]
        drawn *= 1 - part[..., 3:] / np.float32(255)
        drawn += part
    if under is not None:
        return np.asarray(np.rint(np.clip(drawn[..., :3], 0, 255)), np.uint8)
    alpha = np.rint(np.clip(drawn[..., 3:], 0, 255))
    colours = drawn[..., :3] * (255 / np.maximum(drawn[..., 3:], 0.5))
    colours = np.where(alpha > 0, np.rint(np.clip(colours, 0, 255)), 0)
    return np.asarray(np.concatenate([colours, alpha], axis=2), np.uint8)


def _find_cover(
    matrix: NDArray[np.float64], source: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Return how much of each pixel lies inside a turned picture, from 0 to 1, (H, W).

    An outline is one pixel wide, however much the picture is enlarged.

    Args:
        matrix: From middles of pixels of the picture to those of what is drawn, (2, 3).
        source: Height and width of the picture.
        size: Height and width of what is drawn.
    """
    back = np.asarray(cv2.invertAffineTransform(matrix), np.float64)
    cover: NDArray[np.float32] = np.ones(size, np.float32)
    for row, length in zip(back, source[::-1], strict=True):
        # How far middles are from one side, in pixels of what is drawn.
        step = math.hypot(row[0], row[1])
        across = row[0] * np.arange(size[1]) + row[2] + 0.5
        place = (across[None] + (row[1] * np.arange(size[0]))[:, None]) / step
        depth = np.minimum(place, length / step - place)
        cover *= np.clip(depth + 0.5, 0, 1).astype(np.float32)
    return cover
