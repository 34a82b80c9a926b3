"""Split a mask into regions, and ramp it up from its edge."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Mask


def split_regions(mask: Mask, margin_px: int) -> Iterator[tuple[tuple[slice, slice], Mask]]:
    """Yield each region of a mask: its box with a margin, and its own pixels in that box.

    Regions whose margins touch are one region. Boxes are clipped to the frame.
    """
    mask_bytes = np.ascontiguousarray(mask).view(np.uint8)
    left, top, columns, rows = cv2.boundingRect(mask_bytes)
    if not columns:
        return
    # Nothing beyond the margins of all regions is looked at.
    right, bottom = left + columns + margin_px, top + rows + margin_px
    left, top = max(0, left - margin_px), max(0, top - margin_px)
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * margin_px + 1,) * 2)
    grown = cv2.dilate(mask_bytes[top:bottom, left:right], kernel)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(grown)
    for index in range(1, count):
        x, y, w, h = (int(value) for value in stats[index, :4])
        crop = (slice(top + y, top + y + h), slice(left + x, left + x + w))
        yield crop, mask[crop] & (labels[y : y + h, x : x + w] == index)


def inner_ramp(mask: Mask, width_px: float) -> NDArray[np.float32]:
    """Return the depth of each pixel inside the mask as a weight from 0 to 1, float32 (H, W).

    The weight is 0 outside the mask, rises inwards from its edge, and is 1 from ``width_px``
    inside the edge. The border of the frame is not an edge. With a width of 0, the weight is 1 all
    over the mask.
    """
    if width_px <= 0 or mask.all():
        return mask.astype(np.float32)
    mask_bytes = np.ascontiguousarray(mask).view(np.uint8)
    depth_px = cv2.distanceTransform(mask_bytes, cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(np.minimum(depth_px / np.float32(width_px + 1), 1), np.float32)
