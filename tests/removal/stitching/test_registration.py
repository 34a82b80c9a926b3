from __future__ import annotations

import numpy as np
import pytest

from outtake.motion.warp import project_points
from outtake.removal.stitching.kept_frames import frame_corners
from outtake.removal.stitching.registration import RegistrationImage, register
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, texture, view


def frame(step: int, *, is_shown: bool) -> RegistrationImage:
    """A still background, and something removed before it that moves."""
    image = view(texture(6), 40).copy()
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[24:66, 30 + 5 * step : 72 + 5 * step] = True
    if is_shown:
        image[mask] = np.indices((HEIGHT, WIDTH)).sum(axis=0)[mask][:, None] % 13 * 20
    return RegistrationImage.of(image, mask)


@pytest.mark.parametrize("guess_px", [0, 4])
def test_what_is_removed_does_not_pull_at_points_beside_it(guess_px: int) -> None:
    guess = np.eye(3)
    guess[0, 2] = guess_px
    errors = []
    for is_shown in (True, False):
        found = register(frame(0, is_shown=is_shown), frame(1, is_shown=is_shown), guess)
        assert found is not None
        corners = frame_corners((HEIGHT, WIDTH))
        errors.append(float(np.abs(project_points(found.homography, corners) - corners).max()))
    assert errors[0] == pytest.approx(errors[1], abs=1e-3)
    assert errors[1] < 0.1
