"""Dense optical flow between small images, and warping along it."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame

GreyImage = NDArray[np.uint8]
Floats = NDArray[np.float32]
Positions = NDArray[np.float32]
Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32])

# In smaller images there is too little to follow...
_MIN_SIDE_PX = 12
# ...and OpenCV's DIS ends the process, or gives no numbers, where a side is shorter than this.
DIS_SIDE_PX = 32


def reduced_size(height: int, width: int, longest_px: int) -> tuple[int, int]:
    """Return the (width, height) at which the longer side is at most ``longest_px``."""
    scale = min(1.0, longest_px / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def reduce_to_grey(image: Frame, longest_px: int) -> GreyImage:
    """Return a frame in grey, uint8 (h, w), with its longer side at most ``longest_px``."""
    size = reduced_size(image.shape[0], image.shape[1], longest_px)
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def compute_flow(source: GreyImage, target: GreyImage) -> Positions:
    """Return the position in ``target`` of each pixel of ``source``, x and y, float32 (h, w, 2).

    Optical flow by dense inverse search (DIS, Kroeger et al. 2016), the fastest preset. The result
    does not depend on the number of threads. Images of a few pixels are taken as motionless.
    """
    identity = pixel_grid(*source.shape)
    if min(source.shape) < _MIN_SIDE_PX:
        return identity
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    missing = [(0, max(0, DIS_SIDE_PX - side)) for side in source.shape]
    one, other = (np.pad(each, missing, "symmetric") for each in (source, target))
    flow = search.calc(one, other, None)[: source.shape[0], : source.shape[1]]
    return np.asarray(cv2.add(np.ascontiguousarray(flow), identity), np.float32)


@lru_cache(maxsize=8)
def pixel_grid(height: int, width: int) -> Positions:
    """Return the position of each pixel, x and y, float32 (h, w, 2); read-only."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    identity = np.dstack((columns, rows))
    identity.flags.writeable = False
    return identity


def warp_image(picture: Pixels, positions: Positions) -> Pixels:
    """Sample an image at positions (h, w, 2), bilinear; its border pixels extend outwards."""
    moved = cv2.remap(picture, positions, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cast("Pixels", moved)


def upsample_positions(positions: Positions, height: int, width: int) -> Positions:
    """Convert positions in a reduced image to positions in the full-size image, (H, W, 2)."""
    h, w = positions.shape[:2]
    if (h, w) == (height, width):
        return positions
    scale = np.array((width / w, height / h), np.float32)
    moved = (positions - pixel_grid(h, w)) * scale
    return np.asarray(
        cv2.resize(moved, (width, height), interpolation=cv2.INTER_LINEAR)
        + pixel_grid(height, width),
        np.float32,
    )
