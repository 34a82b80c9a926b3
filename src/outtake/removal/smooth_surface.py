"""Fill holes with smooth surfaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.mask_regions import split_regions
from outtake.core.types import Frame, Mask
from outtake.removal.per_frame import contiguous_copy, map_frames
from outtake.removal.protocol import Remover

_RIM_PX = 3
_FALLBACK_GREY = 128


class SmoothSurface(Remover):
    """Fills the hole with a smooth surface, each frame by itself.

    It errs less than a guess how edges and textures continue, and looks worse.
    """

    shows_background = True
    knows_origins = True

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame with its hole filled."""
        return map_frames(clip, self.fill, synthesises=True)

    def fill(self, image: Frame, mask: Mask, vague: Mask | None = None) -> Frame:
        """Return a copy of an RGB image with its masked pixels synthesised."""
        filled = contiguous_copy(image)
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
        # Nothing farther away than the rim matters.
        near = tuple(
            slice(max(0, at - _RIM_PX), at + size + _RIM_PX)
            for at, size in ((y, height), (x, width))
        )
        self._fill_regions(filled[near], mask[near])
        return filled

    @staticmethod
    def _fill_regions(image: Frame, mask: Mask) -> None:
        rim = np.ones((2 * _RIM_PX + 1,) * 2, np.uint8)
        for crop, own in split_regions(mask, margin_px=_RIM_PX):
            known = (cv2.dilate(own.view(np.uint8), rim) > 0) & ~mask[crop]
            if not known.any():
                image[crop][own] = _FALLBACK_GREY
                continue
            pixels = np.stack(np.nonzero(known))
            colours = image[crop][pixels[0], pixels[1]].astype(np.float32)
            surface = fit_smooth_surface(pixels, colours, own.shape)[own]
            image[crop][own] = np.clip(np.rint(surface), 0, 255).astype(np.uint8)


def fit_smooth_surface(
    pixels: NDArray[np.intp], values: NDArray[np.float32], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Fit a smooth surface through some pixels of an image.

    Known values are averaged into coarser and coarser levels, in which the holes close, and are
    interpolated back into the holes of the finer levels (push-pull, after Gortler et al. 1996).

    Args:
        pixels: Rows and columns of the known pixels, (2, m), at least one; where several are the
            same, their mean counts.
        values: The values of c channels, float32 (m, c).
        shape: The height and width of the surface.

    Returns:
        The surface, float32 (H, W, c).
    """
    level = np.zeros((*shape, values.shape[1] + 1), np.float32)
    _add_values(pixels, values, level)
    level /= np.maximum(level[..., -1:], 1)
    levels = []
    while max(level.shape[:2]) > 1:
        levels.append(level)
        level = np.asarray(cv2.pyrDown(level), np.float32)
        # A coarse pixel that is known in part counts like one that is known.
        _divide_by_weights(level, 16.0)
    surface = level
    _divide_by_weights(surface, np.inf)
    for level in reversed(levels):
        rows, columns = level.shape[:2]
        surface = np.asarray(cv2.pyrUp(surface, dstsize=(columns, rows)), np.float32)
        _cover_with(level, surface)
    return np.asarray(surface[..., :-1], np.float32)


@compile_loop
def _add_values(
    pixels: NDArray[np.intp], values: NDArray[np.float32], level: NDArray[np.float32]
) -> None:
    """Add the values (m, c) of pixels (2, m), and their number, to an image (H, W, c + 1)."""
    for i in range(len(values)):
        row, column = pixels[0, i], pixels[1, i]
        for c in range(values.shape[1]):
            level[row, column, c] += values[i, c]
        level[row, column, values.shape[1]] += 1


@compile_loop
def _divide_by_weights(level: NDArray[np.float32], largest_factor: float) -> None:
    """Multiply all values of pixels (H, W, c + 1) by the inverse of the last one, or by less."""
    last, limit = level.shape[2] - 1, np.float32(largest_factor)
    for row in range(level.shape[0]):
        for column in range(level.shape[1]):
            pixel = level[row, column]
            factor = min(np.float32(1) / max(pixel[last], np.float32(1e-6)), limit)
            for c in range(last + 1):
                pixel[c] *= factor


@compile_loop
def _cover_with(level: NDArray[np.float32], surface: NDArray[np.float32]) -> None:
    """Lay known values (H, W, c + 1), whose last one is their weight, over a surface."""
    last = level.shape[2] - 1
    for row in range(level.shape[0]):
        for column in range(level.shape[1]):
            known, under = level[row, column], surface[row, column]
            share = np.float32(1) - known[last]
            for c in range(last + 1):
                under[c] = under[c] * share + known[c]
