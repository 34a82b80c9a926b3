from __future__ import annotations

import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.refine.region_vote import RegionVote
from tests.refine.test_smoother import noisy_halves


def test_pixels_that_look_alike_decide_together() -> None:
    image, truth, planes = noisy_halves(3, (48, 60))
    found = RegionVote([20, 60], own=0).refine(image, planes.copy())
    before, after = (np.mean(each.argmax(axis=0) == truth) for each in (planes, found))
    assert after > 0.97 > before + 0.2
    assert np.allclose(found.sum(axis=0), 1, atol=1e-5)


def test_one_region_and_no_weight_of_ones_own_is_the_mean() -> None:
    image, _, planes = noisy_halves(2)
    found = RegionVote([1], own=0).refine(image, planes.copy())
    assert np.allclose(found, planes.mean(axis=(1, 2), keepdims=True), atol=1e-5)


@pytest.mark.parametrize("options", [{"regions": []}, {"regions": [0]}, {"own": -1}])
def test_what_cannot_work_is_one_line(options: dict) -> None:
    with pytest.raises(ConfigError, match=f"refine.{next(iter(options))}"):
        RegionVote(**options)
