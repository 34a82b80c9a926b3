from __future__ import annotations

import numpy as np

from outtake.core.mask_regions import inner_ramp, split_regions


def test_regions_partition_the_mask():
    mask = np.random.default_rng(0).random((70, 50)) < 0.01
    counted = np.zeros(mask.shape, int)
    for crop, own in split_regions(mask, margin_px=3):
        counted[crop] += own
    assert np.array_equal(counted, mask)


def test_the_inner_ramp_rises_from_the_edge_inwards():
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    ramp = inner_ramp(mask, 3)
    assert (ramp[~mask] == 0).all() and (ramp[14:26, 14:26] == 1).all()
    assert np.allclose(ramp[20, 9:14], [0, 0.25, 0.5, 0.75, 1], atol=0.02)
    assert np.array_equal(inner_ramp(mask, 0), mask.astype(np.float32))
    assert (inner_ramp(np.ones((5, 5), bool), 4) == 1).all()
