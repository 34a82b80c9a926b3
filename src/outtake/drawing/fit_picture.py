"""Scale a picture for a person to look at; what a network sees goes through ``data.resize``."""

from __future__ import annotations

import cv2
import numpy as np

from outtake.core.types import Frame


def fit_picture(
    picture: Frame,
    max_width_px: int,
    max_height_px: int | None = None,
    *,
    enlarge: bool = False,
    labels: bool = False,
) -> Frame:
    """Scale a picture down until it fits; its proportions stay.

    Args:
        picture: uint8 (H, W) or (H, W, C).
        max_width_px: The largest width of the result.
        max_height_px: The largest height of the result; None is any height.
        enlarge: Enlarge a smaller picture until it reaches the limit; otherwise it is returned
            as it is.
        labels: The values are class ids: each pixel takes the nearest one's.
    """
    height, width = picture.shape[:2]
    if max_height_px is None or max_width_px * height <= max_height_px * width:
        size = (max_width_px, max(round(height * max_width_px / width), 1))
    else:
        size = (max(round(width * max_height_px / height), 1), max_height_px)
    grows = size[0] > width or size[1] > height
    if size == (width, height) or (grows and not enlarge):
        return picture
    method = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
    method = cv2.INTER_NEAREST if labels else method
    scaled = cv2.resize(np.ascontiguousarray(picture), size, interpolation=method)
    return np.asarray(scaled, np.uint8)
