"""Reflections of objects on what lies level below them: wet roads, polished floors, water."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from outtake.masking.class_selection import BinaryMask, keep_connected
from outtake.masking.mirror_images import LocatedFrame, MirrorImage

DECIDING_REACH_FRAMES = 12
# What an object must reach by itself, and what is enough where others have shown that the ground
# is a mirror: the correlation, and the share of the mirror image in which something changed.
# On rendered streets, dry ones reach 0.44 at most where the share is above 0.65.
_ALONE, _AMONG = (0.5, 0.68), (0.25, 0.55)
# The share of what was compared around a frame that is a mirror image by itself, from which on the
# ground is a mirror; and the share of mirror images that must have changed where it is one, in a
# box of half the frame's width and three rows.
_MIRROR_SHARE, _SURFACE_SHARE = 0.2, 0.55
_SURFACE_ROWS = 3
# Water is not quite even: the image may be off by so much, and have gaps of this size.
_UNEVEN, _GAP = np.ones((5, 5), np.uint8), np.ones((3, 3), np.uint8)
# How far beside an object its reflection is looked for, and above its lowest point: in its widths
# and heights. What hides a part of an object does not hide the mirror image of that part.
_ASIDE, _ABOVE = 1 / 8, 1 / 4
# A shadow leaves this share of the light, of all colours alike: it is not for this module.
_MIN_LIGHT_RATIO, _MAX_LIGHT_RATIO, _MAX_CHROMA_DIFFERENCE = 0.3, 0.93, 0.08
_MIN_GREY = 16.0


def detect_reflection(window: Sequence[LocatedFrame], index: int) -> BinaryMask:
    """Return where masked objects are mirrored, uint8 (h, w), 0 or 1.

    What an object changes below it is its reflection if it looks like the object upside down, in
    this frame and in those around it, and fills the mirror image. Where much of what lies below
    objects does, the ground is a mirror: then less is asked of the others, and what else changes
    there, connected with a mirror image and no shadow, is reflection too.

    Args:
        window: Consecutive frames.
        index: The place of the frame among them.
    """
    here = window[index]
    nothing = np.zeros(here.frame.mask.shape, np.uint8)
    if here.change is None:
        return nothing
    changed = here.change.changed.astype(np.uint8)
    if not _is_mirror(window):
        image = cv2.dilate(draw_images(here.images, _ALONE, nothing), _UNEVEN)
        closed = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, _UNEVEN)
        return np.asarray(image & closed, np.uint8)
    surface = _find_surface(window, nothing)
    image = cv2.dilate(draw_images(here.images, _AMONG, nothing), _UNEVEN) & surface
    found = image & np.asarray(cv2.morphologyEx(changed, cv2.MORPH_CLOSE, _UNEVEN), np.uint8)
    if not found.any():
        return nothing
    whole = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, _GAP)
    whole = np.asarray(cv2.morphologyEx(whole, cv2.MORPH_OPEN, _GAP), np.uint8)
    whole &= surface & _below_objects(here.images, nothing) & ~_find_shade(here) & 1
    return keep_connected(whole | found, found)


def draw_images(
    images: Sequence[MirrorImage], limits: tuple[float, float], nothing: BinaryMask
) -> BinaryMask:
    """Return the mirror images that reach a correlation and a changed share, uint8 (h, w)."""
    drawn = nothing.copy()
    for image in images:
        if not image.reaches(*limits):
            continue
        one = image.object
        top = one.bottom + image.place
        skip, rows = max(0, -top), min(one.height, drawn.shape[0] - top)
        if rows > skip:
            at = slice(top + skip, top + rows), slice(one.x, one.x + one.width)
            drawn[at] |= one.mask[::-1][skip:rows]
    return drawn


def _is_mirror(window: Sequence[LocatedFrame]) -> bool:
    images = [image for one in window for image in one.images]
    sure = sum(image.pixels for image in images if image.reaches(*_ALONE))
    return sure > 0 and sure >= _MIRROR_SHARE * sum(image.pixels for image in images)


def _find_surface(window: Sequence[LocatedFrame], nothing: BinaryMask) -> BinaryMask:
    """Return where the ground is a mirror, uint8 (h, w), 0 or 1.

    The frames of the window are not aligned: the box of the mean is wide.
    """
    images = np.zeros(nothing.shape, np.float32)
    changed = np.zeros(nothing.shape, np.float32)
    for one in window:
        if one.change is not None:
            image = draw_images(one.images, _AMONG, nothing) & one.change.known
            images += image
            changed += image & one.change.changed
    box = (nothing.shape[1] // 2 | 1, _SURFACE_ROWS)
    images, changed = cv2.blur(images, box), cv2.blur(changed, box)
    return np.asarray((changed > 0) & (changed >= _SURFACE_SHARE * images), np.uint8)


def _below_objects(images: Sequence[MirrorImage], nothing: BinaryMask) -> BinaryMask:
    below = nothing.copy()
    for image in images:
        one = image.object
        aside = max(2, round(_ASIDE * one.width))
        top = one.bottom - round(_ABOVE * one.height)
        below[top:, max(0, one.x - aside) : one.x + one.width + aside] = 1
    return below


def _find_shade(here: LocatedFrame) -> BinaryMask:
    """Return where a frame is evenly darker than its background, uint8 (h, w), 0 or 1."""
    assert here.change is not None
    ratio = here.frame.image.astype(np.float32) / np.maximum(here.change.background, _MIN_GREY)
    red, green, blue = cv2.split(cv2.blur(ratio, (3, 3)))
    chroma = cv2.max(cv2.max(red, green), blue) - cv2.min(cv2.min(red, green), blue)
    light = (red + green + blue) / 3
    shade = (chroma < _MAX_CHROMA_DIFFERENCE) & (light > _MIN_LIGHT_RATIO)
    shade &= light < _MAX_LIGHT_RATIO
    return np.asarray(cv2.morphologyEx(shade.astype(np.uint8), cv2.MORPH_OPEN, _GAP), np.uint8)
