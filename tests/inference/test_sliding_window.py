import numpy as np
import pytest

from outtake.inference.sliding_window import run_sliding_window, window_offsets
from tests.inference.networks import Pointwise, noise


@pytest.mark.parametrize("size", [(100, 150), (64, 64), (65, 64), (40, 200), (30, 20)])
@pytest.mark.parametrize("overlap", [0, 0.25, 0.7])
def test_windows_cover_a_picture_without_a_seam(size, overlap):
    network, images = Pointwise(), noise(*size)
    whole = Pointwise()(images)
    assert np.allclose(run_sliding_window(network, images, (64, 64), overlap), whole, atol=1e-3)
    assert len(set(network.shapes)) == 1, "a model is exported for each size"
    assert all(height <= 64 and width <= 64 for height, width in network.shapes)


def test_windows_begin_where_they_overlap_by_the_share_at_least():
    assert window_offsets(100, 100, 0.5) == [0] and window_offsets(10, 100, 0.5) == [0]
    for length, window, overlap in [(1000, 256, 0.25), (257, 256, 0.5), (999, 100, 0)]:
        begins = window_offsets(length, window, overlap)
        assert begins[0] == 0 and begins[-1] == length - window
        steps = np.diff(begins)
        assert steps.max() <= window * (1 - overlap) and steps.max() - steps.min() <= 1
