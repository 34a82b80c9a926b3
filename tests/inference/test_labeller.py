import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.inference.labeller import Labeller, window_offsets


class Pointwise:
    """A network without a field of view: windows must not change what it says."""

    def __init__(self):
        self.shapes = []

    def __call__(self, images):
        self.shapes.append(images.shape[1:3])
        value = images.astype(np.float32)
        return np.stack([value[..., 0] - 99, 120 - value[..., 1], value[..., 2] / 2], -1)


def noise(height, width, count=2):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(100, 150), (64, 64), (65, 64), (40, 200), (30, 20)])
@pytest.mark.parametrize("overlap", [0, 0.25, 0.7])
def test_windows_cover_a_picture_without_a_seam(size, overlap):
    network, images = Pointwise(), noise(*size)
    whole = Labeller(Pointwise()).logits(images)
    assert np.allclose(
        Labeller(network, window=64, overlap=overlap).logits(images), whole, atol=1e-3
    )
    assert len(set(network.shapes)) == 1, "a model is exported for each size"
    assert all(height <= 64 and width <= 64 for height, width in network.shapes)


def test_windows_begin_where_they_overlap_by_the_share_at_least():
    assert window_offsets(100, 100, 0.5) == [0] and window_offsets(10, 100, 0.5) == [0]
    for length, window, overlap in [(1000, 256, 0.25), (257, 256, 0.5), (999, 100, 0)]:
        begins = window_offsets(length, window, overlap)
        assert begins[0] == 0 and begins[-1] == length - window
        steps = np.diff(begins)
        assert steps.max() <= window * (1 - overlap) and steps.max() - steps.min() <= 1


def test_scales_and_mirroring_are_averaged():
    class Brightness:
        """Logits that tell how large its picture was, and which way round."""

        def __call__(self, images):
            logits = np.zeros((*images.shape[:3], 2), np.float32)
            logits[..., 0] = images.shape[1]
            logits[:, :, 0, 1] = images[:, :, 0, 0]
            return logits

    images = np.zeros((1, 40, 60, 3), np.uint8)
    images[:, :, :30] = 100
    found = Labeller(Brightness(), scales=(0.5, 1, 1.5)).logits(images)
    assert found.shape == (1, 40, 60, 2) and np.allclose(found[..., 0], 40)
    both = Labeller(Brightness(), flip=True).logits(images)
    assert np.allclose(both[0, :, 0, 1], 50) and np.allclose(both[0, :, -1, 1], 0)


def test_labels_and_confidence_have_the_size_asked_for():
    labels, confidence = Labeller(Pointwise(), confidence=True)(noise(30, 40), (60, 81))
    assert labels.shape == confidence.shape == (2, 60, 81)
    assert labels.dtype == np.uint8 and confidence.dtype == np.float32
    assert Labeller(Pointwise())(noise(30, 40), (60, 81))[1] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": []}, "scales"),
        ({"scales": [0]}, "0.1 to 10"),
        ({"window": 16}, "at least 32"),
        ({"window": [64, 64, 64]}, r"\[HEIGHT,WIDTH\]"),
        ({"overlap": 1}, "below 1"),
    ],
)
def test_what_can_not_work_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Labeller(Pointwise(), **options)
