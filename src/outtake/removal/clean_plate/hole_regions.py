"""The regions of a hole, each with the ring of known pixels around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.mask_blocks import enlarge_blocks
from outtake.core.mask_regions import split_regions
from outtake.core.types import Crop, Frame, Mask
from outtake.motion.warp import Points
from outtake.removal.clean_plate.frame_buffer import BufferedFrame
from outtake.removal.clean_plate.tiles import Tiles, Value, cover_with_tiles

Floats = NDArray[np.float32]

# The number of ring pixels that are used: of all regions together, and of each.
_MAX_RING_PIXELS = 1280
_RING_PIXELS_PER_REGION = (120, 600)
# On larger images, regions are separated at a reduced size.
_COARSE_HEIGHT_PX = 180
# The foreground is a ring's own where less of the ring is background: it is around somebody who
# stands there.
_LEAST_BACKGROUND = 0.05
_RIM_KERNEL = np.ones((7, 7), np.uint8)


@dataclass(frozen=True, slots=True)
class HoleRegion:
    """A connected part of the hole and the known pixels around it.

    Attributes:
        tiles: The tiles that cover the hole and its rim.
        hole: True for the pixels to be filled, bool, as large as the box of the tiles.
        rim: True for known pixels adjacent to the hole, bool, of the same size.
        image: The image of the frame there, uint8, of the same size and 3 channels.
        ring_points: The positions of known pixels farther around, float32 (m, 2); may be empty.
        ring_colours: The colours of those pixels, float32 (m, 3).
        steepest_descent: The derivatives of their brightness by the six parameters of a shift and
            by a constant (the steepest-descent images of Lucas-Kanade), float32 (m, 7).
        centre: The centre of the hole in pixels, float32 (2,).
        radius_px: Half of the extent of the hole.
        contrast: The standard deviation of the brightness of the ring.
    """

    tiles: Tiles
    hole: Mask
    rim: Mask
    image: Frame
    ring_points: Points
    ring_colours: Floats
    steepest_descent: Floats
    centre: Points
    radius_px: float
    contrast: float

    def frame_slices(self, height: int, width: int) -> tuple[Crop, Crop]:
        """Return the slices of a frame that the box covers, and the slices of the box inside."""
        left, top, columns, rows = self.tiles.box
        rows, columns = min(rows, height - top), min(columns, width - left)
        inside = (slice(top, top + rows), slice(left, left + columns))
        return inside, (slice(rows), slice(columns))


def find_hole_regions(
    centre: BufferedFrame, ring_px: int, moving: NDArray[np.uint8] | None = None
) -> list[HoleRegion]:
    """Return the regions of the hole of a frame.

    Args:
        centre: The frame. Its foreground is no part of a ring, unless nearly all of the ring is.
        ring_px: The width of the ring around the hole.
        moving: 1 where something moves by itself, of any size, uint8 (h, w); no part of a ring.
    """
    parts = list(_split_hole(centre.mask, ring_px))
    if not parts:
        return []
    unmasked = cv2.erode((~centre.mask).view(np.uint8), np.ones((3, 3), np.uint8))
    if moving is not None:
        size = centre.mask.shape[::-1]
        still = np.asarray(cv2.dilate(moving, np.ones((3, 3), np.uint8)) == 0, np.uint8)
        unmasked &= cv2.resize(still, size, interpolation=cv2.INTER_NEAREST)
    background = unmasked
    if centre.foreground is not None:
        grown = np.asarray(cv2.dilate(centre.foreground, np.ones((3, 3), np.uint8)), np.uint8)
        background = unmasked & ~enlarge_blocks(grown, unmasked.shape)
    limit = int(np.clip(_MAX_RING_PIXELS // len(parts), *_RING_PIXELS_PER_REGION))
    regions = []
    for crop, own in parts:
        free = background[crop]
        if background is not unmasked:
            near = cv2.dilate(own.view(np.uint8), np.ones((2 * ring_px + 1,) * 2, np.uint8))
            least = _LEAST_BACKGROUND * cv2.countNonZero(near & unmasked[crop])
            if cv2.countNonZero(near & free) < least:
                free = unmasked[crop]
        regions.append(_make_region(centre, crop, own, ring_px, free, limit))
    return regions


def _split_hole(mask: Mask, margin_px: int) -> Iterator[tuple[Crop, Mask]]:
    """Yield the regions of a mask as ``split_regions`` does, found on a reduced mask."""
    height, width = mask.shape
    scale = min(max(1, height // _COARSE_HEIGHT_PX), 15)
    if scale == 1:
        yield from split_regions(mask, margin_px=margin_px)
        return
    full = np.zeros((height + -height % scale, width + -width % scale), np.uint8)
    np.multiply(mask.view(np.uint8), np.uint8(255), out=full[:height, :width])
    size = (full.shape[1] // scale, full.shape[0] // scale)
    small = cv2.resize(full, size, interpolation=cv2.INTER_AREA) > 0
    for (down, across), own in split_regions(small, margin_px=max(1, margin_px // scale)):
        crop = (
            slice(down.start * scale, min(down.stop * scale, height)),
            slice(across.start * scale, min(across.stop * scale, width)),
        )
        inside = mask[crop]
        part = own.repeat(scale, axis=0).repeat(scale, axis=1)
        yield crop, inside & part[: inside.shape[0], : inside.shape[1]]


def _make_region(
    centre: BufferedFrame,
    crop: Crop,
    own: Mask,
    ring_px: int,
    free: NDArray[np.uint8],
    limit: int,
) -> HoleRegion:
    top, left = crop[0].start, crop[1].start
    image = np.ascontiguousarray(centre.image[crop])
    rim = cv2.dilate(own.view(np.uint8), _RIM_KERNEL) & free
    tiles, box_mask = cover_with_tiles(own | (rim > 0), left, top, len(centre.mask))
    rows, columns = _sample_ring(own, free, ring_px, limit)
    ring_points = np.stack((columns + left, rows + top), axis=1).astype(np.float32)
    down, across = (np.flatnonzero(own.any(axis=axis)) for axis in (1, 0))
    low = np.array([across[0] + left, down[0] + top])
    high = np.array([across[-1] + left, down[-1] + top])
    middle = np.asarray((low + high) / 2, np.float32)
    radius_px = float(max((high - low).max() / 2, 8))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    gx = (cv2.Scharr(grey, cv2.CV_32F, 1, 0) / 32)[rows, columns]
    gy = (cv2.Scharr(grey, cv2.CV_32F, 0, 1) / 32)[rows, columns]
    x, y = ((ring_points - middle) / np.float32(radius_px)).T
    slopes = np.stack((gx, gx * x, gx * y, gy, gy * x, gy * y, np.ones_like(x)), axis=1)
    ring_colours = image[rows, columns].astype(np.float32)
    return HoleRegion(
        tiles,
        _pad_to(own, box_mask.shape),
        _pad_to(rim > 0, box_mask.shape),
        _pad_to(image, box_mask.shape),
        ring_points,
        ring_colours,
        slopes.astype(np.float32),
        middle,
        radius_px,
        float(ring_colours.mean(axis=1).std()) if len(ring_colours) else 0.0,
    )


def _sample_ring(
    own: Mask, free: NDArray[np.uint8], ring_px: int, limit: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of at most ``limit`` known pixels around a hole."""
    near = cv2.dilate(own.view(np.uint8), np.ones((2 * ring_px + 1,) * 2, np.uint8))
    ring = np.flatnonzero(near & free)
    ring = ring[:: max(1, -(-len(ring) // limit))]
    rows, columns = np.divmod(ring, own.shape[1])
    return rows, columns


def _pad_to(image: NDArray[Value], shape: tuple[int, ...]) -> NDArray[Value]:
    if image.shape[:2] == shape:
        return image
    padded = np.zeros((*shape, *image.shape[2:]), image.dtype)
    padded[: image.shape[0], : image.shape[1]] = image
    return padded
