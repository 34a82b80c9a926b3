from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.rim_motion import _predict


@pytest.mark.parametrize("shown", [10, 30], ids=["darker", "brighter"])
def test_an_error_is_as_large_whichever_frame_is_brighter(shown):
    image, truth = np.full((4, 4, 3), shown, np.uint8), np.full((1, 3), 20, np.uint8)
    errors = np.zeros(1, np.float32)
    at, shift, mask = np.array([[1, 1]]), np.array([0, 0]), np.zeros((4, 4), bool)
    assert _predict(at, shift, truth, image, mask, errors) == 10
    assert errors.tolist() == [10]
