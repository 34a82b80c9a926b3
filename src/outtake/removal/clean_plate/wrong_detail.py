"""Smooth the detail of a fill where it lies at a wrong place.

A reference that is aligned wrongly, or to another depth, shows edges and texture beside their
place. They hide none of the error of leaving them out, and add their own. Of detail that agrees
with the truth in part, so large a part is best kept as the truth follows it, and the rest is
smoothed (the linear estimate of Wiener 1949). How large it is shows at the rim, where the truth is
known, and inside from how far the samples of one pixel disagree.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.types import Mask
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.tiles import Tiles
from outtake.removal.smooth_surface import fit_smooth_surface

# What varies within this share of the height of the image is detail...
_DETAIL_SHARE = 0.0105
# ...whose energy, and the disagreement about it, are averaged a little wider.
_ENERGY_WIDTH = 1.2
# Wider averages than this are taken at a reduced size.
_LARGE_SIGMA_PX = 3.6
# The share that is wrong at the rim is spread over the hole at this fraction of the size.
_COARSE_PX = 4
# Alignments are worse inside than at the rim: so much more is wrong, of what is more wrong at the
# rim than noise and resampling explain.
_GROWTH, _EXPLAINED = 2.5, 0.08
# An error at the rim whose square is so many times what the samples disagree by (which is taken to
# be at least this many squared grey levels) comes from something that the references do not show.
_FOREIGN_RATIO, _LEAST_DISSENT = 20.0, 4.0
# The tiles disagree about noise alike: what is above that of most of them is misplaced. The
# median errs by as much more than its samples deviate from it.
_DISSENT_OF_NOISE, _VARIANCE_OF_DISSENT = 1.5, 2.0
# A regression needs so many pixels.
_LEAST_PIXELS = 20


def find_foreign(errors: Floats, dissent: Floats) -> NDArray[np.bool_]:
    """Return which pixels of the rim show something that the references do not, bool (m,).

    Args:
        errors: The colours of the rim minus their prediction, float32 (m, 3).
        dissent: The dissent of each tile, as ``CollectedSamples`` has it, (k,).
    """
    limit = _FOREIGN_RATIO * max(_typical_dissent(dissent), _LEAST_DISSENT)
    return np.asarray(np.square(errors).mean(axis=1) > limit)


def measure_wrong_share(
    rim: NDArray[np.intp], truth: Floats, predicted: Floats, shape: tuple[int, ...], height: int
) -> Floats:
    """Return the share of the detail that is wrong, as the rim tells, float32 (H, W); 1 is all.

    It is what is left by a regression of the true detail on the predicted one, both in shades of
    grey. Half of it counts locally, half everywhere: a few pixels tell it badly.

    Args:
        rim: Rows and columns of the rim pixels in the box of a region, (2, m).
        truth: Their colours, float32 (m, 3).
        predicted: The colours that the references predict, float32 (m, 3).
        shape: The height and width of the box, multiples of 4.
        height: The height of the image.
    """
    if len(truth) < _LEAST_PIXELS:
        return np.zeros(shape, np.float32)
    true_grey, own_grey = truth.mean(axis=1), predicted.mean(axis=1)
    means = _average_near(rim, (true_grey, own_grey), shape, _DETAIL_SHARE * height)
    true_detail, own_detail = true_grey - means[0], own_grey - means[1]
    moments = np.stack((true_detail * own_detail, np.square(own_detail)), axis=1)
    # The surface is smooth: a fourth of the size holds it.
    rows, columns = shape[0] // _COARSE_PX, shape[1] // _COARSE_PX
    local = fit_smooth_surface(rim // _COARSE_PX, moments, (rows, columns)) + moments.mean(axis=0)
    slope = local[..., 0] / np.maximum(local[..., 1], np.float32(1e-3))
    wrong = np.asarray(_GROWTH * np.clip(1 - _EXPLAINED - slope, 0, 1), np.float32)
    return np.asarray(cv2.resize(wrong, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def smooth_wrong_detail(
    tiles: Tiles,
    colours: Floats,
    known: NDArray[np.bool_],
    wrong: Floats,
    dissent: Floats,
    height: int,
    kept: Mask,
    vague: NDArray[np.bool_],
) -> bool:
    """Smooth the colours of tiles as far as their detail is wrong.

    Args:
        tiles: The tiles.
        colours: Their colours, float32 (k, n, 3); changed where they are known.
        known: True for pixels with a colour, bool (k, n).
        wrong: What ``measure_wrong_share`` returned for the box of the tiles.
        dissent: The dissent of each tile, as ``CollectedSamples`` has it, (k,).
        height: The height of the image.
        kept: Pixels of the box of the tiles whose detail is kept, bool (H, W).
        vague: Where more than half of the detail is gone; written if any colour was changed,
            bool (k, n).

    Returns:
        Whether any colour was changed.
    """
    excess = np.nan_to_num(dissent - np.float32(_DISSENT_OF_NOISE * _typical_dissent(dissent)))
    errors = np.maximum(np.float32(_VARIANCE_OF_DISSENT) * excess, 0)
    if not errors.any() and not wrong.any():
        return False
    sigma_px = _DETAIL_SHARE * height
    smooth = np.zeros((*wrong.shape, 4), np.float32)
    _draw_colours(colours, known, *tiles.index, tiles.side, smooth)
    smooth = _blur(smooth, sigma_px)
    moments = np.zeros((*wrong.shape, 3), np.float32)
    _draw_moments(colours, known, errors, *tiles.index, tiles.side, smooth, moments)
    moments = _blur(moments, _ENERGY_WIDTH * sigma_px)
    _shrink_detail(
        smooth, moments, wrong, known & ~tiles.gather(kept), *tiles.index, tiles.side, colours,
        vague,
    )  # fmt: skip
    return True


@compile_loop
def _draw_colours(
    colours: Floats,
    known: NDArray[np.bool_],
    tile_rows: NDArray[np.intp],
    tile_columns: NDArray[np.intp],
    side: int,
    picture: Floats,
) -> None:
    """Draw the known colours (k, n, 3) of tiles, and 1, into a picture (H, W, 4) of 0."""
    for k in range(len(tile_rows)):
        top, left = tile_rows[k] * side, tile_columns[k] * side
        for i in range(side * side):
            if known[k, i]:
                pixel = picture[top + i // side, left + i % side]
                for c in range(3):
                    pixel[c] = colours[k, i, c]
                pixel[3] = 1


@compile_loop
def _draw_moments(
    colours: Floats,
    known: NDArray[np.bool_],
    errors: Floats,
    tile_rows: NDArray[np.intp],
    tile_columns: NDArray[np.intp],
    side: int,
    smooth: Floats,
    moments: Floats,
) -> None:
    """Make smooth colours of sums, and draw the squares that are averaged.

    Args:
        colours: The colours of the tiles, (k, n, 3).
        known: True for pixels with a colour, (k, n).
        errors: The expected squared error of the detail of each tile, (k,).
        tile_rows: The rows of the tiles in the picture, in tiles, (k,).
        tile_columns: Their columns, (k,).
        side: The side of a tile in pixels.
        smooth: What ``_draw_colours`` drew, blurred; divided by its weight at known pixels,
            (H, W, 4).
        moments: 0; the squared detail, its expected squared error and 1 are written at known
            pixels, (H, W, 3).
    """
    for k in range(len(tile_rows)):
        top, left = tile_rows[k] * side, tile_columns[k] * side
        for i in range(side * side):
            if known[k, i]:
                row, column = top + i // side, left + i % side
                mean, square = smooth[row, column], np.float32(0)
                weight = np.float32(1) / max(mean[3], np.float32(1e-3))
                for c in range(3):
                    mean[c] *= weight
                    detail = colours[k, i, c] - mean[c]
                    square += detail * detail
                pixel = moments[row, column]
                pixel[0], pixel[1], pixel[2] = square / np.float32(3), errors[k], np.float32(1)


@compile_loop
def _shrink_detail(
    smooth: Floats,
    moments: Floats,
    wrong: Floats,
    shrunk: NDArray[np.bool_],
    tile_rows: NDArray[np.intp],
    tile_columns: NDArray[np.intp],
    side: int,
    colours: Floats,
    vague: NDArray[np.bool_],
) -> None:
    """Take from the colours of tiles the share of their detail that is wrong.

    Args:
        smooth: The smooth colours, (H, W, 4).
        moments: What ``_draw_moments`` drew, blurred, (H, W, 3).
        wrong: The share that is wrong everywhere, (H, W).
        shrunk: True for pixels of which it is taken, (k, n).
        tile_rows: The rows of the tiles in the picture, in tiles, (k,).
        tile_columns: Their columns, (k,).
        side: The side of a tile in pixels.
        colours: The colours of the tiles, changed, (k, n, 3).
        vague: Where the share is above a half; written, (k, n).
    """
    for k in range(len(tile_rows)):
        top, left = tile_rows[k] * side, tile_columns[k] * side
        for i in range(side * side):
            vague[k, i] = False
            if shrunk[k, i]:
                row, column = top + i // side, left + i % side
                energy, error, weight = moments[row, column]
                # If fill and truth have detail of one energy, the truth follows all of it but this
                # share. Less than one squared grey level is no detail.
                share = error / (np.float32(2) * max(energy, weight, np.float32(1e-3)))
                share = min(share + wrong[row, column], np.float32(1))
                vague[k, i] = share > np.float32(0.5)
                for c in range(3):
                    colours[k, i, c] += share * (smooth[row, column, c] - colours[k, i, c])


def _typical_dissent(dissent: Floats) -> float:
    found = dissent[np.isfinite(dissent)]
    return float(np.median(found)) if len(found) else 0.0


def _average_near(
    pixels: NDArray[np.intp], values: Sequence[Floats], shape: tuple[int, ...], sigma_px: float
) -> list[Floats]:
    """Return the averages of values around each pixel, weighted by a Gaussian, float32 (m,) each.

    Args:
        pixels: The rows and columns of the pixels, (2, m).
        values: Values at these pixels, (m,) each.
        shape: The height and width of the picture.
        sigma_px: The standard deviation of the Gaussian in pixels.
    """
    factor = _reduction_factor(sigma_px)
    rows, columns = -(-shape[0] // factor), -(-shape[1] // factor)
    cells = pixels[0] // factor * columns + pixels[1] // factor
    sums = [np.bincount(cells, each, rows * columns) for each in (*values, None)]
    grid = np.stack(sums, axis=1).astype(np.float32).reshape(rows, columns, -1)
    grid = cv2.GaussianBlur(grid, (0, 0), sigma_px / factor, borderType=cv2.BORDER_CONSTANT)
    found = np.asarray(grid, np.float32).reshape(rows * columns, -1)[cells]
    return [found[:, place] / found[:, -1] for place in range(len(values))]


def _blur(values: Floats, sigma_px: float) -> Floats:
    """Return a picture (H, W, c) convolved with a Gaussian, as if there were 0 around it."""
    size, factor = (values.shape[1], values.shape[0]), _reduction_factor(sigma_px)
    if factor > 1:
        reduced = (-(-size[0] // factor), -(-size[1] // factor))
        values = np.asarray(cv2.resize(values, reduced, interpolation=cv2.INTER_AREA), np.float32)
    sigma = sigma_px / factor
    blurred = cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    if factor > 1:
        blurred = cv2.resize(blurred, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(blurred, np.float32)


def _reduction_factor(sigma_px: float) -> int:
    """Return by how much a picture is reduced before it is convolved with a Gaussian."""
    factor = 1
    while sigma_px > _LARGE_SIGMA_PX * factor:
        factor *= 2
    return factor
