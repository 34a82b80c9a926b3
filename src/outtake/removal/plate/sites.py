"""The parts of a hole, and what surrounds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.removal.plate.camera import Homography
from outtake.removal.plate.sampling import Points
from outtake.removal.plate.window import Held
from outtake.removal.regions import regions
from outtake.types import Mask

Floats = NDArray[np.float32]

# Of the rings, so many pixels are looked at: of all together, and of each.
_RING_PIXELS = 4000
_RING_PIXELS_EACH = (150, 1000)
# On pictures larger than this, parts are told apart at a reduced size.
_COARSE_PX = 240
_RIM = np.ones((7, 7), np.uint8)


@dataclass(frozen=True, slots=True)
class Site:
    """A part of the hole and the known pixels around it.

    Attributes:
        hole: positions, float32 (n, 2) x and y.
        rim: known positions right beside the hole, float32 (k, 2).
        rim_truth: the rim's colours, float32 (k, 3).
        ring: a selection of those further around, float32 (m, 2); may be empty.
        truth: the ring's colours, float32 (m, 3).
        slopes: how the ring's brightness changes with the parameters of a shift, float32 (m, 7).
        centre: of both, in pixels.
        radius_px: half of their extent.
        contrast: standard deviation of the ring's brightness.
    """

    hole: Points
    rim: Points
    rim_truth: Floats
    ring: Points
    truth: Floats
    slopes: Floats
    centre: Points
    radius_px: float
    contrast: float

    def shift(self, parameters: NDArray[np.float64]) -> Homography:
        """Return the affine maps (n, 3, 3) of six parameters each (n, 6).

        Three move x and three move y: by a constant, and along x and y relative to the centre, in
        pixels at the site's edge.
        """
        maps = np.tile(np.eye(3), (len(parameters), 1, 1))
        moves = parameters.reshape(-1, 2, 3)
        slopes = moves[..., 1:] / self.radius_px
        maps[:, :2, :2] += slopes
        maps[:, :2, 2] += moves[..., 0] - slopes @ self.centre.astype(np.float64)
        return maps


def sites(centre: Held, ring_px: int) -> list[Site]:
    """Return the parts of a frame's hole."""
    parts = list(_parts(centre.mask, ring_px))
    if not parts:
        return []
    unmasked = cv2.erode(np.where(centre.mask, np.uint8(0), np.uint8(1)), np.ones((3, 3), np.uint8))
    limit = int(np.clip(_RING_PIXELS // len(parts), *_RING_PIXELS_EACH))
    tip = np.ones((2 * ring_px + 1,) * 2, np.uint8)
    return [_site(centre, crop, own, unmasked[crop], tip, limit) for crop, own in parts]


def _parts(mask: Mask, margin_px: int) -> Iterator[tuple[tuple[slice, slice], Mask]]:
    """Yield the parts of a mask as ``regions`` does, found on a smaller picture of it."""
    height, width = mask.shape
    scale = max(1, height // _COARSE_PX)
    small = mask
    if scale > 1:
        rows, columns = range(0, height, scale), range(0, width, scale)
        small = np.logical_or.reduceat(np.logical_or.reduceat(mask, rows, axis=0), columns, axis=1)
    for (down, across), own in regions(small, margin_px=max(1, margin_px // scale)):
        crop = (
            slice(down.start * scale, min(down.stop * scale, height)),
            slice(across.start * scale, min(across.stop * scale, width)),
        )
        part = own.repeat(scale, axis=0).repeat(scale, axis=1) if scale > 1 else own
        inside = mask[crop]
        yield crop, inside & part[: inside.shape[0], : inside.shape[1]]


def _site(
    centre: Held,
    crop: tuple[slice, slice],
    own: NDArray[np.bool_],
    unmasked: NDArray[np.uint8],
    tip: NDArray[np.uint8],
    limit: int,
) -> Site:
    origin = np.array([crop[1].start, crop[0].start], np.float32)
    near = cv2.dilate(own.view(np.uint8), tip)
    ring = np.argwhere(near & unmasked)
    rim = np.argwhere(cv2.dilate(own.view(np.uint8), _RIM) & unmasked)
    ring = ring[:: max(1, -(-len(ring) // limit))]
    rows, columns = ring.T
    hole = np.argwhere(own)[:, ::-1].astype(np.float32) + origin
    at = ring[:, ::-1].astype(np.float32) + origin
    low, high = hole.min(axis=0), hole.max(axis=0)
    middle = np.asarray((low + high) / 2, np.float32)
    radius_px = float(max((high - low).max() / 2, 8))
    picture = centre.image[crop]
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    gx = (cv2.Scharr(grey, cv2.CV_32F, 1, 0) / 32)[rows, columns]
    gy = (cv2.Scharr(grey, cv2.CV_32F, 0, 1) / 32)[rows, columns]
    x, y = ((at - middle) / np.float32(radius_px)).T
    slopes = np.stack((gx, gx * x, gx * y, gy, gy * x, gy * y, np.ones_like(x)), axis=1)
    truth = picture[rows, columns].astype(np.float32)
    contrast = float(truth.mean(axis=1).std()) if len(truth) else 0.0
    rim_at = rim[:, ::-1].astype(np.float32) + origin
    rim_truth = picture[rim[:, 0], rim[:, 1]].astype(np.float32)
    slopes = slopes.astype(np.float32)
    return Site(hole, rim_at, rim_truth, at, truth, slopes, middle, radius_px, contrast)
