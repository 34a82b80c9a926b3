"""Small square tiles of an image, and their positions in other frames.

A hole is sampled tile by tile: one test tells whether a frame shows all pixels of a tile, and
within a tile an affine map is close enough to a homography.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Mask
from outtake.motion.warp import Points

Value = TypeVar("Value", bound=np.generic)

# The sides of a tile on images up to and above this height.
_TILE_SIDES_PX, _LARGE_HEIGHT_PX = (4, 8), 400
# Bicubic sampling reads up to two pixels away, and rounding may cost one.
SUPPORT_PX = 3.0
# The side of the blocks whose distance to masked pixels is stored.
BLOCK_PX = 4
_NEAR_KERNEL = np.ones((5, 5), np.uint8)


@dataclass(frozen=True, slots=True)
class Tiles:
    """The k tiles that cover a part of an image.

    Attributes:
        side: The side of a tile in pixels.
        box: The bounding box of the tiles in pixels: left, top, columns, rows. Columns and rows
            are multiples of the side, and may reach beyond the image.
        index: The row and column of each tile in the box, (k,) each.
        centres: The centres of the tiles in pixels of the image, float32 (k, 2).
    """

    side: int
    box: tuple[int, int, int, int]
    index: tuple[NDArray[np.intp], NDArray[np.intp]]
    centres: Points

    def gather(self, picture: NDArray[Value]) -> NDArray[Value]:
        """Return the tiles (k, side * side, ...) of an array that covers the box."""
        found = self._tile_view(picture)[self.index]
        return found.reshape(len(found), self.side**2, *found.shape[3:])

    def scatter(self, tile_values: NDArray[Value], picture: NDArray[Value]) -> None:
        """Write tiles (k, side * side, ...) into an array that covers the box."""
        side = self.side
        shape = (len(tile_values), side, side, *tile_values.shape[2:])
        self._tile_view(picture)[self.index] = tile_values.reshape(shape)

    def subset(self, which: NDArray[np.intp]) -> Tiles:
        """Return some of the tiles."""
        index = (self.index[0][which], self.index[1][which])
        return Tiles(self.side, self.box, index, self.centres[which])

    def pixel_positions(self, which: NDArray[np.intp]) -> Points:
        """Return the positions of the pixels of some tiles in the image, float32 (k, n, 2)."""
        ahead = np.arange(self.side, dtype=np.float32) - np.float32((self.side - 1) / 2)
        steps = np.stack((np.tile(ahead, self.side), np.repeat(ahead, self.side)), axis=1)
        return np.asarray(self.centres[which, None] + steps, np.float32)

    def _tile_view(self, picture: NDArray[Value]) -> NDArray[Value]:
        side, (_, _, columns, rows) = self.side, self.box
        shape = (rows // side, side, columns // side, side, *picture.shape[2:])
        return picture.reshape(shape).swapaxes(1, 2)


def cover_with_tiles(mask: Mask, left: int, top: int, height: int) -> tuple[Tiles, Mask]:
    """Cover a mask with tiles.

    Args:
        mask: The mask, a part of the image.
        left: The column of the image at which the mask begins.
        top: The row of the image at which the mask begins.
        height: The height of the image, which decides the side of the tiles.

    Returns:
        The tiles that the mask touches, and the mask padded to their box.
    """
    side = _TILE_SIDES_PX[height > _LARGE_HEIGHT_PX]
    rows, columns = (-(-length // side) * side for length in mask.shape)
    padded = np.zeros((rows, columns), bool)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    lines = padded.reshape(rows // side, side, -1).any(axis=1)
    touched = np.nonzero(lines.reshape(rows // side, columns // side, side).any(axis=2))
    middle = (side - 1) / 2
    centres = np.stack((touched[1] * side + left + middle, touched[0] * side + top + middle), 1)
    index = (touched[0], touched[1])
    return Tiles(side, (left, top, columns, rows), index, centres.astype(np.float32)), padded


def compute_clearance(mask: Mask) -> NDArray[np.uint8]:
    """Return the distance of each block of 4 x 4 pixels to masked pixels and the frame border.

    Returns:
        The distance in pixels along x or y, never too large, and at least 1 if anything near is
        not masked: uint8 (ceil(H / 4), ceil(W / 4)).
    """
    height, width = mask.shape
    rows, columns = -(-height // BLOCK_PX), -(-width // BLOCK_PX)
    free = np.zeros((rows * BLOCK_PX, columns * BLOCK_PX), np.uint8)
    np.multiply((~mask).view(np.uint8), np.uint8(255), out=free[:height, :width])
    mean = cv2.resize(free, (columns, rows), interpolation=cv2.INTER_AREA)
    whole = cv2.copyMakeBorder(
        np.asarray(mean == 255, np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0,)
    )
    blocks = cv2.distanceTransform(whole, cv2.DIST_C, 3)[1:-1, 1:-1]
    # A block that is d blocks away may begin just behind d - 1 others.
    clear = np.clip(BLOCK_PX * (blocks - 1), 0, 255).astype(np.uint8)
    near = cv2.dilate(np.asarray(mean > 0, np.uint8), _NEAR_KERNEL)
    return np.asarray(np.maximum(clear, near), np.uint8)
