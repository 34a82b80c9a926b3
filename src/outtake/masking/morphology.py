"""Morphology of masks: remove small regions, fill holes, dilate."""

from __future__ import annotations

import cv2
import numpy as np

from outtake.masking.class_selection import BinaryMask


def remove_small_and_fill_holes(
    mask: BinaryMask, min_area_px: float, fill_holes: bool
) -> BinaryMask:
    """Drop small regions and fill the holes that regions enclose, in place.

    A hole larger than what surrounds it is background, as in a picture frame, and stays.

    Args:
        mask: uint8 (H, W), 0 or 1.
        min_area_px: Regions (8-connected) of fewer pixels are dropped.
        fill_holes: Whether holes are filled.
    """
    if min_area_px <= 1 and not fill_holes:
        return mask
    outlines, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if tree is None:
        return mask
    area = [cv2.contourArea(outline) for outline in outlines]
    parents = [int(parent) for _, _, _, parent in tree[0]]
    if min_area_px > 1:
        # Pick's theorem: pixels on and inside an outline through pixel centres.
        pixels = [a + len(line) / 2 + 1 for a, line in zip(area, outlines, strict=True)]
        for index, parent in enumerate(parents):
            if parent >= 0:
                pixels[parent] -= area[index] - len(outlines[index]) / 2 + 1
        for index, parent in enumerate(parents):
            if parent < 0 and pixels[index] < min_area_px:
                _erase_region(mask, outlines[index])
                area[index] = 0.0
    if fill_holes:
        for index, parent in enumerate(parents):
            if parent >= 0 and 0 < area[index] < area[parent] - area[index]:
                cv2.drawContours(mask, [outlines[index]], 0, 1, cv2.FILLED)
    return mask


def _erase_region(mask: BinaryMask, outline: cv2.typing.MatLike) -> None:
    x, y, width, height = cv2.boundingRect(outline)
    # Another region may lie in this one's gap: erase only what is connected.
    box = mask[y : y + height, x : x + width]
    _, parts = cv2.connectedComponents(box, connectivity=8)
    first = outline[0, 0]
    box[parts == parts[first[1] - y, first[0] - x]] = 0


def dilate_mask(mask: BinaryMask, radius_px: int) -> BinaryMask:
    """Return a mask, uint8 (H, W), dilated with a round kernel."""
    if radius_px < 1 or not mask.any():
        return mask
    x, y, width, height = cv2.boundingRect(mask)
    top, left = max(0, y - radius_px), max(0, x - radius_px)
    box = (slice(top, y + height + radius_px), slice(left, x + width + radius_px))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1,) * 2)
    out = mask.copy()
    out[box] = cv2.dilate(mask[box], kernel)
    return np.asarray(out, np.uint8)
