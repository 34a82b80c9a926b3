"""Fill the hole with pieces of what lies around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import announce_compilation
from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.mask_regions import split_regions
from outtake.core.types import Crop, Frame, Mask
from outtake.removal.exemplar.gradient_blend import blend_gradients
from outtake.removal.exemplar.offset_labels import OffsetLabelling, add_covering_offsets
from outtake.removal.exemplar.patch_match import RADIUS_PX, Floats, Places, match_patches
from outtake.removal.per_frame import map_frames
from outtake.removal.protocol import Remover
from outtake.removal.smooth_surface import SmoothSurface

Value = TypeVar("Value", bound=np.generic)

# Pieces come from so far around a hole, as a multiple of its size, and at least from so far.
_MARGIN, _MIN_MARGIN_PX = 1.0, 48
# No pixel of a narrow hole is farther from its rim: a smooth surface does not show there.
_NARROW_PX = 3.0
# A region takes a third of a second, and seconds if it is large: of a mask in tatters the largest
# ones get pieces.
_MAX_REGIONS = 24
# The offsets are chosen at a reduced size: with at most so many pixels, of the hole and in all.
_MAX_HOLE_PIXELS, _MAX_PIXELS = 1500, 24_000
# A match that is nearer than this share of the picture's longer side is the patch itself, moved.
_MIN_DISTANCE = 1 / 15
_MAX_OFFSETS, _SWEEPS = 40, 4
# Matches scatter about an offset, and two offsets that are close together are one.
_PEAK_BLUR_PX, _PEAK = 1.4, np.ones((9, 9), np.uint8)
_SLOPE_WEIGHT = 2.0
_PATCH = np.ones((2 * RADIUS_PX + 1,) * 2, np.uint8)
_BESIDE = np.ones((3, 3), np.uint8)


class Exemplar(Remover):
    """Fills the hole with pieces of its surroundings, each frame by itself.

    Textures repeat at few offsets. These are found where everything is known, each pixel of the
    hole is copied from the place at one of them so that few steps show (He and Sun 2012), and the
    steps that are left are spread (Perez et al. 2003). The result depends on the picture and the
    mask alone. A narrow hole, one with too little around it, and all but the 24 largest of many
    get a smooth surface.
    """

    shows_background = True
    knows_origins = True

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame with its hole filled."""
        return map_frames(clip, self.fill, synthesises=True)

    def fill(self, image: Frame, mask: Mask, vague: Mask | None = None) -> Frame:
        """Return a copy of an RGB image with its masked pixels synthesised.

        Args:
            image: The image.
            mask: The mask.
            vague: Pixels from which no pieces are copied, bool (H, W).
        """
        unusable = mask if vague is None else mask | vague
        filled = SmoothSurface().fill(image, mask)
        regions = [region for region in split_regions(mask, margin_px=1) if not _is_narrow(region)]
        regions.sort(key=lambda region: -np.count_nonzero(region[1]))
        with announce_compilation("exemplar"):
            for crop, own in regions[:_MAX_REGIONS]:
                wide = _widen(crop, own.shape, mask.shape)
                hole = np.zeros_like(mask)
                hole[crop] = own
                _copy_pieces(filled, wide, hole[wide], unusable[wide])
        return filled


def _is_narrow(region: tuple[Crop, Mask]) -> bool:
    depth_px = cv2.distanceTransform(region[1].view(np.uint8), cv2.DIST_L2, 3)
    return float(depth_px.max()) <= _NARROW_PX


def _widen(crop: Crop, size: tuple[int, ...], shape: tuple[int, ...]) -> Crop:
    """Return a crop with the margin from which pieces come."""
    margin = max(_MIN_MARGIN_PX, round(_MARGIN * max(size)))
    rows, columns = (
        slice(max(0, part.start - margin), min(side, part.stop + margin))
        for part, side in zip(crop, shape, strict=True)
    )
    return rows, columns


def _copy_pieces(image: Frame, crop: Crop, hole: Mask, unusable: Mask) -> None:
    """Copy pieces into a hole, in place.

    Args:
        image: The picture, its holes filled with smooth surfaces.
        crop: The part that is looked at.
        hole: The hole there, bool (h, w).
        unusable: All holes there, and other pixels that nothing is copied from.
    """
    part = image[crop]
    scale = _choose_scale(hole)
    picture = np.asarray(_split_blocks(part.astype(np.float32), scale).mean(axis=(1, 3)))
    # What is added to fill the last blocks is not known.
    known = ~np.asarray(_split_blocks(unusable, scale, added=True).any(axis=(1, 3)), bool)
    small_hole = np.asarray(_split_blocks(hole, scale).any(axis=(1, 3)), bool)
    offsets = _find_offsets(picture, known, small_hole)
    if offsets is None:
        return
    sources = cv2.erode(known.view(np.uint8), _BESIDE, borderType=cv2.BORDER_CONSTANT) > 0
    offsets = add_covering_offsets(small_hole, sources, offsets)
    labels = OffsetLabelling(_add_slopes(picture), small_hole, sources, offsets).solve()
    if labels is None:
        return
    shifts = np.zeros((*small_hole.shape, 2), np.int32)
    shifts[small_hole] = offsets[labels] * scale
    _copy_shifted(part, hole, shifts, scale)


def _choose_scale(hole: Mask) -> int:
    """Return by what factor a picture is reduced to choose offsets."""
    shares = np.count_nonzero(hole) / _MAX_HOLE_PIXELS, hole.size / _MAX_PIXELS
    return max(1, int(np.ceil(np.sqrt(max(shares)))))


def _split_blocks(values: NDArray[Value], scale: int, added: bool | None = None) -> NDArray[Value]:
    """Return the blocks of an array (H, W, ...), (H / scale, scale, W / scale, scale, ...).

    Where the last ones are not full, ``added`` is added, or the last row and column if it is None.
    """
    rows, columns = (-(-side // scale) for side in values.shape[:2])
    more = (rows * scale - values.shape[0], columns * scale - values.shape[1])
    pads = [(0, more[0]), (0, more[1]), *[(0, 0)] * (values.ndim - 2)]
    if added is None:
        whole = np.pad(values, pads, mode="edge")
    else:
        whole = np.pad(values, pads, constant_values=added)
    return whole.reshape(rows, scale, columns, scale, *values.shape[2:])


def _add_slopes(picture: Floats) -> Floats:
    """Return a picture with its slopes across and down beside the colours, (H, W, 5)."""
    grey = np.ascontiguousarray(picture.mean(axis=2))
    slopes = [cv2.Sobel(grey, cv2.CV_32F, *by, ksize=3) / 8 for by in ((1, 0), (0, 1))]
    return np.dstack((picture, *(slope * np.float32(_SLOPE_WEIGHT) for slope in slopes)))


def _find_offsets(picture: Floats, known: Mask, hole: Mask) -> Places | None:
    """Return the offsets at which a picture is most like itself, int32 (k, 2).

    Those that move the hole out of itself are among them. None if too little is known.
    """
    whole = cv2.erode(known.view(np.uint8), _PATCH, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    patches = np.stack(np.nonzero(whole), axis=1).astype(np.int32)
    if len(patches) < 2:
        return None
    numbers = np.full(known.shape, -1, np.int32)
    numbers[whole > 0] = np.arange(len(patches), dtype=np.int32)
    matches, differences = np.empty_like(patches), np.empty(len(patches), np.float32)
    least = max(2, round(_MIN_DISTANCE * max(known.shape)))
    match_patches(picture, patches, numbers, least, _SWEEPS, matches, differences)
    found = (matches - patches)[np.isfinite(differences)]
    height, width = known.shape
    counts = np.zeros((2 * height + 1, 2 * width + 1), np.float32)
    np.add.at(counts, (found[:, 0] + height, found[:, 1] + width), 1)
    counts = cv2.GaussianBlur(counts, (0, 0), _PEAK_BLUR_PX)
    rows, columns = np.nonzero((counts == cv2.dilate(counts, _PEAK)) & (counts > 0))
    best = np.argsort(-counts[rows, columns], kind="stable")[:_MAX_OFFSETS]
    offsets = np.stack((rows[best] - height, columns[best] - width), axis=1)
    return np.concatenate((offsets, _clearing_offsets(hole))).astype(np.int32)


def _clearing_offsets(hole: Mask) -> Places:
    """Return the offsets by which a hole comes to lie beside itself, in eight directions."""
    _, _, columns, rows = cv2.boundingRect(hole.view(np.uint8))
    steps = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if down or across]
    return np.array([(down * (rows + 2), across * (columns + 2)) for down, across in steps])


def _copy_shifted(part: Frame, hole: Mask, shifts: Places, scale: int) -> None:
    """Copy the pixels of a hole from where shifts say, and blend the seams, in place.

    Args:
        part: The picture, uint8 (h, w, 3).
        hole: The hole, bool (h, w).
        shifts: Rows and columns from each block to the one that it is copied from, in pixels.
        scale: The side of a block.
    """
    rows, columns = np.nonzero(hole)
    own = shifts[rows // scale, columns // scale]
    offsets = np.zeros((*hole.shape, 2), np.int32)
    offsets[rows, columns] = own
    picture = part.astype(np.float32)
    picture[rows, columns] = picture[rows + own[:, 0], columns + own[:, 1]]
    blend_gradients(picture, np.stack((rows, columns), axis=1).astype(np.int32), offsets)
    part[rows, columns] = np.clip(np.rint(picture[rows, columns]), 0, 255).astype(np.uint8)
