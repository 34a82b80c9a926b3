from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.previous_fill import blend_previous


def test_the_previous_fill_is_blended_in_where_both_agree():
    new = np.full((2, 4, 3), 100, np.float32)
    previous = new + np.float32([0, 2, 20, 2])[None, :, None]
    known, visible = np.array([[True, True, True, False]] * 2), np.array([True, False])
    blend_previous(new, previous, known, visible, 0.35)
    assert new[0, :, 0].tolist() == pytest.approx([100, 100.7, 100, 100])
    assert (new[1] == 100).all()
