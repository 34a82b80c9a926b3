"""Trust references less where they predict the surroundings of a hole badly.

A wrong alignment shows another spot: it is about as far off as a smooth surface fitted over the
hole, and the two errors have little in common. Their mean, weighted by the expected squared errors,
is closer to the truth than either.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion
from outtake.removal.smooth_surface import fit_smooth_surface

# The squared error inside is this many times the squared error at the rim...
_VARIANCE_GROWTH = 1.5
# ...unless the latter is explained by noise or by a few things that move by themselves.
_NOISE_GREY, _MAX_NOISE_GREY = 4.0, 12.0
_MAX_ERROR_GREY = 32.0
# An alignment that predicts most of the ring is right: an error larger than the residual by this
# factor comes from something that moves by itself.
_MAX_ERROR_RATIO = 16.0
# Pixels that are darker than predicted by a factor in this range, the same in all colours, lie in
# the remainder of the cast shadow of the removed object: they say nothing about the alignment.
_SHADE_RANGE, _SHADE_TOLERANCE = (0.25, 0.93), 0.15
# The squared error of a surface: a constant, and a share of the squared contrast of the ring...
_SURFACE_VARIANCE, _CONTRAST_VARIANCE_SHARE = 350.0, 0.1
# ...less of it right at the rim, and more farther away.
_NEAR_SHARE, _FAR_PX, _FAR_SHARE = 0.4, 12.0, 1.3
# A smaller share of the surface is left out.
_MIN_SHARE = 0.05


def uncertainty_blend(
    region: HoleRegion,
    rim: NDArray[np.intp],
    truth: Floats,
    errors: Floats,
    residual: float,
    noise: float = 0.0,
) -> Floats | None:
    """Return the surface that is blended into a prediction that fails at the rim.

    Args:
        region: The hole region.
        rim: Rows and columns of the rim pixels in the box of the region, (2, m).
        truth: The colours of the rim pixels, float32 (m, 3).
        errors: The colours minus their prediction, float32 (m, 3).
        residual: The trimmed ring residual of the best reference, in grey levels.
        noise: The noise of the frame's coding in grey levels.

    Returns:
        The colours of the surface and its share, 0 to 1, for the box of the region, float32
        (H, W, 4); None if the prediction is good enough everywhere.
    """
    largest = min(_MAX_ERROR_GREY, _MAX_ERROR_RATIO * residual)
    squares = np.minimum(np.square(errors).mean(axis=1), np.float32(largest**2))
    squares[find_shaded(truth, truth - errors)] = 0
    typical = float(np.sqrt(squares).mean()) ** 2
    growth = _VARIANCE_GROWTH * typical / (typical + min(_NOISE_GREY + noise, _MAX_NOISE_GREY) ** 2)
    surface_error = _SURFACE_VARIANCE + _CONTRAST_VARIANCE_SHARE * region.contrast**2
    if growth * float(squares.max()) < _MIN_SHARE * _NEAR_SHARE * surface_error:
        return None
    values = np.concatenate((truth, squares[:, None]), axis=1)
    surface = fit_smooth_surface(rim, values, region.hole.shape)
    depth_px = cv2.distanceTransform(region.hole.view(np.uint8), cv2.DIST_L2, 3)
    expected = np.minimum(depth_px * np.float32(1 / _FAR_PX) + np.float32(_NEAR_SHARE), _FAR_SHARE)
    expected *= np.float32(surface_error)
    # The distribution of the error is poorly known: half counts locally, half everywhere.
    own = (surface[..., 3] + squares.mean()) * np.float32(0.5 * growth)
    share = (own / (own + expected) - _MIN_SHARE) / (1 - _MIN_SHARE)
    surface[..., 3] = np.maximum(share, 0)
    return surface


@compile_loop
def blend_surface(
    surface: Floats,
    tile_rows: NDArray[np.intp],
    tile_columns: NDArray[np.intp],
    side: int,
    limit: float,
    colours: Floats,
    mostly: NDArray[np.bool_],
) -> None:
    """Blend a surface into the colours of tiles.

    Args:
        surface: The colours of the surface and its share, (H, W, 4).
        tile_rows: The rows of the tiles in it, in tiles, (k,).
        tile_columns: Their columns, (k,).
        side: The side of a tile in pixels.
        limit: A share.
        colours: The colours, changed, (k, n, 3).
        mostly: Where the share is above the limit; written, (k, n).
    """
    for k in range(len(tile_rows)):
        top, left = tile_rows[k] * side, tile_columns[k] * side
        for i in range(side * side):
            pixel = surface[top + i // side, left + i % side]
            for c in range(3):
                colours[k, i, c] += pixel[3] * (pixel[c] - colours[k, i, c])
            mostly[k, i] = pixel[3] > limit


def find_shaded(truth: Floats, predicted: Floats) -> NDArray[np.bool_]:
    """Return which colours (m, 3) are the predicted ones in a shadow, bool (m,)."""
    ratio = (truth + 1) / np.maximum(predicted + 1, 1)
    shade = ratio.mean(axis=1)
    even = np.ptp(ratio, axis=1) < _SHADE_TOLERANCE * shade
    return np.asarray(even & (shade > _SHADE_RANGE[0]) & (shade < _SHADE_RANGE[1]))
