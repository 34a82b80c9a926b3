"""Masks that are kept for many frames, reduced to blocks."""

from __future__ import annotations

import cv2
import numpy as np

from outtake.core.types import Mask, MaskBlocks

MASK_BLOCK_PX = 4


def reduce_to_blocks(mask: Mask) -> MaskBlocks:
    """Return 1 for each block of 4 x 4 pixels that holds some of a mask, uint8 (h, w).

    The last row and column of blocks may reach beyond the mask.
    """
    height, width = mask.shape
    rows, columns = -(-height // MASK_BLOCK_PX), -(-width // MASK_BLOCK_PX)
    whole = np.zeros((rows * MASK_BLOCK_PX, columns * MASK_BLOCK_PX), np.uint8)
    np.multiply(mask.view(np.uint8), np.uint8(255), out=whole[:height, :width])
    share = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(share > 0, np.uint8)


def enlarge_blocks(blocks: MaskBlocks, shape: tuple[int, ...]) -> Mask:
    """Return the blocks as a mask of (H, W) pixels, bool."""
    rows, columns = (length * MASK_BLOCK_PX for length in blocks.shape)
    whole = cv2.resize(blocks, (columns, rows), interpolation=cv2.INTER_NEAREST)
    return np.asarray(whole[: shape[0], : shape[1]] > 0)


def take_field_blocks(blocks: MaskBlocks) -> MaskBlocks:
    """Return the blocks of one field of an interlaced frame, whose rows are every second one."""
    pairs = np.pad(blocks, ((0, len(blocks) % 2), (0, 0)))
    return np.asarray(pairs[::2] | pairs[1::2], np.uint8)
