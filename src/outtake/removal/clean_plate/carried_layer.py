"""Copy the hidden part of a moving layer from other frames, in front of the still background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Mask
from outtake.motion.homography import Homography
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.moving_mask import Flags


@dataclass(frozen=True, slots=True)
class LayerSource:
    """A frame from which the hidden part of a layer is copied.

    Attributes:
        number: The number of the frame.
        homography: From pixels of the current reduced frame to that one, with the layer's motion.
        support: The layer in that frame, 0 to 255, uint8 (h, w).
    """

    number: int
    homography: Homography
    support: Flags


@dataclass(frozen=True, slots=True)
class MovingLayer:
    """A layer, and the frames that show what is hidden of it, the best first.

    Attributes:
        box: The slices of the reduced frame in which it is carried.
        sources: The frames.
        allowed: 1 where most frames agree that it may be, in the current frame, uint8 (h, w).
    """

    box: tuple[slice, slice]
    sources: list[LayerSource]
    allowed: Flags


def carry_layer(
    layer: MovingLayer,
    image: NDArray[np.uint8],
    mask: Mask,
    to_full: Homography,
    full_frames: Mapping[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]],
    carried: Mask,
) -> None:
    """Write the hidden part of a layer into a filled image of full size.

    Args:
        layer: The layer.
        image: The image, uint8 (H, W, 3); written where ``mask`` is.
        mask: The hole.
        to_full: The map from reduced pixels to those of the image.
        full_frames: Image and brightness of the frames that may be copied from, by number.
        carried: True for pixels that are mostly the layer; written.
    """
    low = to_full @ np.array([layer.box[1].start - 0.5, layer.box[0].start - 0.5, 1])
    high = to_full @ np.array([layer.box[1].stop - 0.5, layer.box[0].stop - 0.5, 1])
    left, top = (max(0, round(v + 0.5)) for v in low[:2])
    right, bottom = (round(v + 0.5) for v in high[:2])
    part = (slice(top, min(bottom, len(mask))), slice(left, min(right, mask.shape[1])))
    size = (part[1].stop - part[1].start, part[0].stop - part[0].start)
    free = mask[part].copy()
    corner = np.array([[1, 0, left], [0, 1, top], [0, 0, 1.0]])
    inverse = cv2.WARP_INVERSE_MAP
    for source in layer.sources:
        if source.number not in full_frames or not free.any():
            continue
        there, brightness = full_frames[source.number]
        to_small = source.homography @ np.linalg.inv(to_full) @ corner
        soft = cv2.GaussianBlur(source.support, (3, 3), 0)
        alpha = cv2.warpPerspective(soft, to_small, size, flags=inverse | cv2.INTER_LINEAR)
        to_there = to_full @ to_small
        may = cv2.warpPerspective(
            layer.allowed, np.linalg.inv(to_full) @ corner, size,
            flags=inverse | cv2.INTER_NEAREST,
        )  # fmt: skip
        alpha[may == 0] = 0
        known = cv2.warpPerspective(
            brightness & 1, to_there, size, flags=inverse | cv2.INTER_NEAREST
        )
        colours = cv2.warpPerspective(there, to_there, size, flags=inverse | cv2.INTER_CUBIC)
        use = free & (known > 0)
        weight: Floats = (alpha * use).astype(np.float32)[..., None] / np.float32(255)
        target = image[part]
        blended = target + weight * (colours.astype(np.float32) - target)
        np.copyto(target, np.rint(blended).astype(np.uint8), where=use[..., None])
        carried[part] |= use & (alpha > 127)
        free &= ~use
