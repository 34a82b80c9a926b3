from __future__ import annotations

import cv2
import numpy as np
import pytest

from outtake.removal.smooth_surface import SmoothSurface, fit_smooth_surface
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, disc, texture


def test_a_surface_meets_what_is_known_and_stays_between_it():
    grown = cv2.dilate(disc(70).astype(np.uint8), np.ones((5, 5))) > 0
    pixels = np.stack(np.nonzero(disc(70) ^ grown))
    values = np.stack((pixels[1], np.full(pixels.shape[1], 7)), axis=1).astype(np.float32)
    surface = fit_smooth_surface(pixels, values, (HEIGHT, WIDTH))
    assert surface[pixels[0], pixels[1]] == pytest.approx(values, abs=1e-3)
    inside = surface[disc(70)]
    assert inside[:, 1] == pytest.approx(7, abs=1e-3)
    assert values[:, 0].min() <= inside[:, 0].min() < inside[:, 0].max() <= values[:, 0].max()
    assert surface[50, 70, 0] == pytest.approx(70, abs=2)


def test_the_filler_leaves_the_rest_untouched_and_copes_without_any_rest():
    image, mask = texture(3, width=WIDTH), disc(8)
    filled = SmoothSurface().fill(image, mask)
    assert (filled[~mask] == image[~mask]).all()
    assert (filled[mask] != image[mask]).any()
    assert (SmoothSurface().fill(image, np.ones_like(mask)) == 128).all()
    assert (SmoothSurface().fill(image, np.zeros_like(mask)) == image).all()
