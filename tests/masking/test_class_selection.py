from fractions import Fraction

import numpy as np
import pytest

from outtake.core.errors import ConfigError, UnknownClassError
from outtake.core.frames import LabelledFrame
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.masking.policy import MaskPolicy

SPACE = LabelSpace.from_names(("road", "car", "person"))


def item(labels: np.ndarray, confidence: np.ndarray | None) -> LabelledFrame:
    image = np.zeros((*labels.shape, 3), np.uint8)
    return LabelledFrame(TimedFrame(image, 0, Fraction(1, 25)), labels, SPACE, confidence)


def mask_of(policy: MaskPolicy, labels: np.ndarray, confidence: np.ndarray | None) -> np.ndarray:
    (out,) = policy([item(labels, confidence)])
    return out.mask


def policy(threshold: object, **options: object) -> MaskPolicy:
    options = {"dilate": 0, "min_area": 0, "fill_holes": False, "vote": 0, **options}
    return MaskPolicy.from_names(SPACE, remove=["car", "person"], threshold=threshold, **options)


def two_cars() -> tuple[np.ndarray, np.ndarray]:
    labels = np.zeros((40, 60), np.uint8)
    labels[10:20, 10:20] = labels[10:20, 40:50] = 1
    confidence = np.full(labels.shape, 0.99, np.float32)
    confidence[labels == 1] = 0.4
    return labels, confidence


def test_a_pixel_counts_beside_one_that_reaches_the_threshold():
    labels, confidence = two_cars()
    confidence[12, 12] = 0.9
    confidence[18:20, 10:20] = 0.1
    expected = np.zeros(labels.shape, bool)
    expected[10:18, 10:20] = True
    assert np.array_equal(mask_of(policy(0.8, low=0.3), labels, confidence), expected)


def test_regions_touch_at_corners_too():
    labels = np.zeros((20, 20), np.uint8)
    labels[5, 5] = labels[6, 6] = labels[9, 9] = 2
    confidence = np.full(labels.shape, 0.5, np.float32)
    confidence[5, 5] = 0.9
    found = mask_of(policy(0.8, low=0.5), labels, confidence)
    assert found[5, 5] and found[6, 6] and found.sum() == 2


def test_low_is_half_the_threshold_by_default():
    labels, confidence = two_cars()
    confidence[12, 12] = 0.9
    assert mask_of(policy(0.7), labels, confidence).sum() == 100
    assert mask_of(policy(0.9), labels, confidence).sum() == 1


def test_each_class_has_its_own_threshold():
    labels, confidence = two_cars()
    labels[10:20, 40:50] = 2
    found = mask_of(policy({"car": 0.6}), labels, confidence)
    assert np.array_equal(found, labels == 2)


def test_a_threshold_of_zero_takes_everything_and_needs_no_confidence():
    labels, _ = two_cars()
    plain = policy(0)
    assert not plain.needs_confidence
    assert np.array_equal(mask_of(plain, labels, None), labels == 1)
    assert policy(0.5).needs_confidence and policy({"person": 0.5}).needs_confidence


def test_confidence_that_is_not_there_is_an_error():
    labels, _ = two_cars()
    with pytest.raises(ConfigError, match="without confidence"):
        mask_of(policy(0.5), labels, None)


def test_nothing_certain_is_nothing():
    labels, confidence = two_cars()
    assert not mask_of(policy(0.8), labels, confidence).any()
    assert not mask_of(policy(0.8), np.zeros_like(labels), confidence).any()


@pytest.mark.parametrize(
    ("threshold", "low", "said"),
    [
        (1.0, None, "mask.threshold=1.0"),
        (-0.1, None, "mask.threshold=-0.1"),
        (0.5, 0.6, "mask.low=0.6"),
        (0, 0.1, "mask.low=0.1"),
        ({"road": 0.5}, None, "mask.threshold.road: this class is not removed"),
    ],
)
def test_values_that_cannot_work_are_refused(threshold, low, said):
    with pytest.raises(ConfigError, match=said):
        policy(threshold, low=low)


def test_an_unknown_class_lists_the_known_ones():
    with pytest.raises(UnknownClassError, match="road, car, person"):
        policy({"bus": 0.5})
