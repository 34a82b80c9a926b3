"""Where other frames predict badly what surrounds a hole, trust them less inside it.

What is looked up through a wrong alignment shows another spot: it is about as far off as a smooth
surface spanned over the hole, and the two errors have little in common. Their mean, weighted by the
squares of what each is expected to be off, is nearer to the truth than either.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion
from outtake.removal.clean_plate.smooth_surface import fit_smooth_surface

# The square of the error inside is this many times that at the rim...
_VARIANCE_GROWTH = 1.5
# ...unless that is so small that noise explains it, or a few things that move by themselves.
_NOISE_GREY = 4.0
_MAX_ERROR_GREY = 32.0
# An alignment that predicts most of the ring is right: an error of more than so many times that is
# something that moves by itself.
_MAX_ERROR_RATIO = 16.0
# What is darker than predicted by such factors, alike in all colours, is what the cast shadow of
# the removed left at the rim: it tells nothing about the alignment.
_SHADE_RANGE, _SHADE_TOLERANCE = (0.25, 0.93), 0.15
# The square of a surface's error: a constant, and a share of the square of the ring's contrast...
_SURFACE_VARIANCE, _CONTRAST_VARIANCE_SHARE = 350.0, 0.1
# ...so much of it right at the rim, and more further away from it.
_NEAR_SHARE, _FAR_PX, _FAR_SHARE = 0.4, 12.0, 1.3
# A smaller share of the surface is left out.
_MIN_SHARE = 0.05


def uncertainty_blend(
    region: HoleRegion, at: NDArray[np.intp], truth: Floats, errors: Floats, residual: float
) -> Floats | None:
    """Return by what to replace a prediction that fails at the rim.

    Args:
        region: the part of the hole.
        at: rows and columns in the site's box of pixels at its rim, (2, m).
        truth: their colours, float32 (m, 3).
        errors: what the prediction lacks there, float32 (m, 3).
        residual: of the best reference on the better part of the ring, in grey levels.

    Returns:
        A surface's colours and its share, 0 to 1, float32 (H, W, 4) for the site's box; None where
        the prediction is good enough everywhere.
    """
    largest = min(_MAX_ERROR_GREY, _MAX_ERROR_RATIO * residual)
    squares = np.minimum(np.square(errors).mean(axis=1), np.float32(largest**2))
    squares[_is_shaded(truth, truth - errors)] = 0
    typical = float(np.sqrt(squares).mean()) ** 2
    growth = _VARIANCE_GROWTH * typical / (typical + _NOISE_GREY**2)
    surface_error = _SURFACE_VARIANCE + _CONTRAST_VARIANCE_SHARE * region.contrast**2
    if growth * float(squares.max()) < _MIN_SHARE * _NEAR_SHARE * surface_error:
        return None
    found = fit_smooth_surface(
        at, np.concatenate((truth, squares[:, None]), axis=1), region.hole.shape
    )
    depth_px = cv2.distanceTransform(region.hole.view(np.uint8), cv2.DIST_L2, 3)
    expected = np.clip(_NEAR_SHARE + depth_px / np.float32(_FAR_PX), 0, _FAR_SHARE) * surface_error
    # How the error is spread is known poorly: half of it counts where it is, half everywhere.
    own = (found[..., 3] + squares.mean()) * np.float32(0.5 * growth)
    share = (own / (own + expected) - _MIN_SHARE) / (1 - _MIN_SHARE)
    found[..., 3] = np.maximum(share, 0)
    return found


def _is_shaded(truth: Floats, predicted: Floats) -> NDArray[np.bool_]:
    """Return which colours (m, 3) are predicted ones in a shadow, bool (m,)."""
    ratio = (truth + 1) / np.maximum(predicted + 1, 1)
    shade = ratio.mean(axis=1)
    even = np.ptp(ratio, axis=1) < _SHADE_TOLERANCE * shade
    return np.asarray(even & (shade > _SHADE_RANGE[0]) & (shade < _SHADE_RANGE[1]))
