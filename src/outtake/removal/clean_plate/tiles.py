"""Small square tiles of an image, and their positions in other frames.

A hole is sampled tile by tile: one test tells whether a frame shows all pixels of a tile, and
within a tile an affine map is close enough to a homography.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, Mask
from outtake.motion.warp import Points, as_remap_grids, known_at_points

Value = TypeVar("Value", bound=np.generic)

# The sides of a tile on images up to and above this height.
_TILE_SIDES_PX, _LARGE_HEIGHT_PX = (4, 8), 400
# Products of matrices with more rows start BLAS threads, which cost more than they gain, and fewer
# points at once stay in the cache of the processor.
_MAX_MATMUL_ROWS = 256
# Bicubic sampling reads up to two pixels away, and rounding may cost one.
_SUPPORT_PX = 3.0
# The side of the blocks whose distance to masked pixels is stored.
_BLOCK_PX = 4
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
        steps = _affine_basis(self.side)[[2, 5]].reshape(2, -1, 2).sum(axis=0)
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


def tile_visibility(
    clearances: Sequence[NDArray[np.uint8]],
    centres: Points,
    jacobians: NDArray[np.float32],
    side: int,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which tiles frames show completely, and which they may show in part, bool (f, k).

    Args:
        clearances: The clearances of f frames, as :func:`compute_clearance` returns them.
        centres: The centres of the tiles in those frames, (f, k, 2).
        jacobians: The Jacobians of the homographies at the centres, (f, k, 2, 2).
        side: The side of the tiles in pixels.
    """
    slopes = np.abs(jacobians)
    reach = np.maximum(*(slopes[..., row, 0] + slopes[..., row, 1] for row in range(2)))
    reach *= np.float32((side - 1) / 2)
    reach += np.float32(_SUPPORT_PX)
    blocks = (centres + np.float32(0.5)) / np.float32(_BLOCK_PX) - np.float32(0.5)
    positions, count = as_remap_grids(blocks)
    around = np.empty((len(blocks), positions.shape[1] * positions.shape[2]), np.uint8)
    for row, clear in enumerate(clearances):
        found = around[row].reshape(positions.shape[1:3])
        nearest = cv2.INTER_NEAREST
        cv2.remap(clear, positions[row], None, nearest, found, cv2.BORDER_CONSTANT)
    around = around[:, :count]
    whole = np.asarray(around >= reach)
    return whole, (around > 0) & ~whole


def tiles_inside(
    shape: tuple[int, ...], centres: Points, jacobians: NDArray[np.float32], side: int
) -> NDArray[np.bool_]:
    """Return which tiles lie completely within an image, bool (k,); see ``tile_visibility``."""
    reach = np.abs(jacobians).sum(axis=2) * np.float32((side - 1) / 2)
    last = np.array([shape[1] - 1, shape[0] - 1], np.float32)
    return np.asarray(((centres >= reach) & (centres + reach <= last)).all(axis=1))


def compute_clearance(mask: Mask) -> NDArray[np.uint8]:
    """Return the distance of each block of 4 x 4 pixels to masked pixels and the frame border.

    Returns:
        The distance in pixels along x or y, never too large, and at least 1 if anything near is
        not masked: uint8 (ceil(H / 4), ceil(W / 4)).
    """
    height, width = mask.shape
    rows, columns = -(-height // _BLOCK_PX), -(-width // _BLOCK_PX)
    free = np.zeros((rows * _BLOCK_PX, columns * _BLOCK_PX), np.uint8)
    np.multiply((~mask).view(np.uint8), np.uint8(255), out=free[:height, :width])
    mean = cv2.resize(free, (columns, rows), interpolation=cv2.INTER_AREA)
    whole = cv2.copyMakeBorder(
        np.asarray(mean == 255, np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0,)
    )
    blocks = cv2.distanceTransform(whole, cv2.DIST_C, 3)[1:-1, 1:-1]
    # A block that is d blocks away may begin just behind d - 1 others.
    clear = np.clip(_BLOCK_PX * (blocks - 1), 0, 255).astype(np.uint8)
    near = cv2.dilate(np.asarray(mean > 0, np.uint8), _NEAR_KERNEL)
    return np.asarray(np.maximum(clear, near), np.uint8)


def sample_tiles(
    image: Frame, centres: Points, jacobians: NDArray[np.float32], side: int
) -> NDArray[np.uint8]:
    """Sample tiles in an image, bicubic, uint8 (k, side * side, 3)."""
    found = np.empty((len(centres), side * side, 3), np.uint8)
    begin = 0
    for affine in _split_affine(centres, jacobians):
        grid = (affine @ _affine_basis(side)).reshape(-1, side * side, 2)
        np.clip(grid, -16000, 32000, out=grid)
        into = found[begin : begin + len(grid)]
        cv2.remap(image, grid, None, cv2.INTER_CUBIC, dst=into, borderMode=cv2.BORDER_REPLICATE)
        begin += len(grid)
    return found


def known_in_tiles(
    known: NDArray[np.uint8],
    centres: Points,
    jacobians: NDArray[np.float32],
    side: int,
    corners: bool = False,
) -> NDArray[np.bool_]:
    """Return which pixels of tiles a frame shows, bool (k, side * side), or which corners."""
    basis = _affine_basis(side)
    if corners:
        basis = basis.reshape(6, side, side, 2)[:, :: side - 1, :: side - 1].reshape(6, -1)
    found = [
        known_at_points(known, (affine @ basis).reshape(-1, 2))
        for affine in _split_affine(centres, jacobians)
    ]
    return np.concatenate(found).reshape(len(centres), -1)


def _split_affine(centres: Points, jacobians: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield the affine maps of tiles, float32 (at most 256, 6)."""
    affine = np.concatenate((centres, jacobians.reshape(-1, 4)), axis=1)
    for begin in range(0, len(affine), _MAX_MATMUL_ROWS):
        yield affine[begin : begin + _MAX_MATMUL_ROWS]


@cache
def _affine_basis(side: int) -> NDArray[np.float32]:
    """Return the matrix from a centre and a Jacobian to the pixels of a tile, (6, 2 * n)."""
    steps = np.arange(side) - (side - 1) / 2
    dy, dx = (each.ravel() for each in np.meshgrid(steps, steps, indexing="ij"))
    basis = np.zeros((6, side * side, 2), np.float32)
    basis[0, :, 0] = basis[1, :, 1] = 1
    basis[2, :, 0] = basis[4, :, 1] = dx
    basis[3, :, 0] = basis[5, :, 1] = dy
    return basis.reshape(6, -1)
