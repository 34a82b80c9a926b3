import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.inference.labeller import Labeller
from outtake.inference.tta import AugmentedNetwork
from tests.inference.networks import Pointwise, noise


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
    found = AugmentedNetwork(Brightness(), scales=(0.5, 1, 1.5))(images)
    assert found.shape == (1, 40, 60, 2) and np.allclose(found[..., 0], 40)
    both = AugmentedNetwork(Brightness(), flip=True)(images)
    assert np.allclose(both[0, :, 0, 1], 50) and np.allclose(both[0, :, -1, 1], 0)


def test_a_window_changes_nothing_for_a_network_without_a_field_of_view():
    images = noise(100, 150)
    whole = AugmentedNetwork(Pointwise())(images)
    assert np.allclose(AugmentedNetwork(Pointwise(), window=64)(images), whole, atol=1e-3)


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
        ({"overlap": "a"}, "network.overlap=a: .*below 1"),
        ({"overlap": float("nan")}, "below 1"),
        ({"scales": 1.0}, "network.scales=1.0: give a list"),
        ({"scales": "1.0"}, "network.scales=1.0: give a list"),
        ({"scales": ["a"]}, "network.scales=.*give a list"),
    ],
)
def test_what_cannot_work_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        AugmentedNetwork(Pointwise(), **options)
