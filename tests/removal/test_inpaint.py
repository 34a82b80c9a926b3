from __future__ import annotations

import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.removal.inpaint import Inpaint
from tests.removal.frames import masked, masks, picture


def test_inpaint_continues_the_surroundings():
    ramp = np.repeat(np.linspace(0, 250, 80).astype(np.uint8)[None, :, None], 60, 0).repeat(3, 2)
    mask = masks(60, 80)["region"]
    for method in ("telea", "ns"):
        filled = next(Inpaint(method)([masked(np.where(mask[..., None], 255, ramp), mask)]))
        assert np.abs(filled.frame.image[mask].astype(int) - ramp[mask]).mean() < 8


def test_filling_regions_one_by_one_is_like_filling_them_at_once():
    image = picture(90, 120)
    mask = np.zeros((90, 120), bool)
    mask[10:25, 10:30] = mask[50:70, 70:100] = mask[:4, 60:66] = True
    bgr = cv2.inpaint(image, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    filled = Inpaint("telea", 3).fill(image, mask)
    assert np.abs(filled.astype(int) - bgr).max() <= 2


@pytest.mark.parametrize("method", ["fast", 3, None, ["telea"], {"telea": 1}], ids=str)
def test_a_method_that_is_none_is_refused(method):
    with pytest.raises(ConfigError, match=r"^remover\.method=.*: unknown; use telea, ns$"):
        Inpaint(method)
